// The glossary of the project: what sources, messages and docs do not say, and what they say instead. The words on the left
// are translations, riddles, or everyday words for things that have a term in this field.
export const glossary = [
  // Downloads
  { avoid: /\b(bring|brings|brought|bringing)\b[^.\n]*\bhome\b|\bcome home\b/i, write: "download" },
  { avoid: /\banew\b|Anew\b|\banew[A-Z]/, write: "renew (a link), restart, again" },
  { avoid: /\b(go|goes|going|went|gone) on\b/i, write: "resume (a transfer), continue" },

  // States
  {
    avoid: /\b(is|are|was|were|be|been) over\b(?! (the|a|an|its|all|\d|HTTP|TLS))/i,
    write: "has finished, has expired (a link or a token), is final (a status)",
  },
  { avoid: /\b(has|have|had) ended\b/i, write: "has finished" },
  { avoid: /\b(begun|began)\b/i, write: "started" },
  { avoid: /\bunder way\b/i, write: "in progress" },
  { avoid: /\boutliv(e|es|ed|ing)\b/i, write: "survive" },
  { avoid: /\b(is|are|was|were|been|be) (kept|made)\b(?! of\b)/i, write: "is stored, is created" },

  // Reports
  { avoid: /\b(tell|tells|told|telling)\b|[a-z]Tell\b|\btell[A-Z]/, write: "report, emit (an event), warn, say" },
  { avoid: /\borTell\b|\bclearUp\b|\binTheWay\b/, write: "a verb and what it acts on" },
  { avoid: /\b(look|looks|looked|looking) for\b/i, write: "search" },
  { avoid: /\bwho lacks\b|\bwhoever\b/i, write: "the subject by its name" },

  // The quota
  {
    avoid: /\bwithPlace\b|\bplaces? in the quota|\b(a|the|its|got|gets) place\b(?! (where|in a|of the))|\bPlace\b/,
    write: "permit (of the quota), position, instead of",
  },
  { avoid: /\bphantoms?\b/i, write: "inferred calls (calls that others must have sent)" },
  { avoid: /\bwaiters?\b/i, write: "waiting call" },

  // Names
  { avoid: /\bvendors?\b|\bvendor'?s\b|vendors?[A-Z]/i, write: "Microsoft" },
  { avoid: /\bname of its DNS\b/i, write: "DNS name" },
  { avoid: /\bface of (this|the)\b/i, write: "entry point" },
  { avoid: /\brooms?\b|\bhouse\b|\bhouse's\b/i, write: "module, project rules, space" },
  { avoid: /\bwhole story\b/i, write: "end to end" },

  // Grammar
  { avoid: /\bparted by\b/i, write: "separated by" },
  { avoid: /(?<!\bthere )(?<!\bThere )\b(is|are|was|were) no (?!longer|more|one)\w/, write: "is not a …" },
  {
    avoid: /\bwithout a word\b|\bin vain\b|\ball the same\b|\bby and by\b|\bwhat it takes\b/i,
    write: "silently, without effect, nevertheless, over time, what is needed",
  },
]

/** The hits in one line of text. */
export const hitsIn = (line) => glossary.filter(({ avoid }) => avoid.test(line))
