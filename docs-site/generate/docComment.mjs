// Reads a docstring: its Markdown, and its tags.

/** The text of a comment `/** … *\/` without its asterisks. */
const textOf = (comment) =>
  comment
    .slice("/**".length, -"*/".length)
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, ""))
    .join("\n")
    .trim()

/** The description of a docstring, and the texts of each of its tags. */
export const parse = (comment) => {
  // A tag begins a line, and not in an example.
  const [description = "", ...tagged] = textOf(comment).split(/^@(?=(?:since|category|example|see|since)\b)/m)
  const tags = tagged.map((text) => {
    const [, tag, rest] = /^(\w+)\s*([\s\S]*)$/.exec(text)
    return { tag, text: rest.trim() }
  })
  const all = (tag) => tags.filter((each) => each.tag === tag).map(({ text }) => text)
  return {
    description: description.trim(),
    category: all("category")[0],
    examples: all("example"),
    see: all("see"),
  }
}

/** The first sentence of a docstring as plain text. */
export const sentenceOf = (description) =>
  /^[\s\S]*?\.(?=\s|$)|^[^\n]+/
    .exec(description)?.[0]
    .replaceAll(/\{@link ([^}]+)\}/g, "$1")
    .replaceAll(/[`*_]/g, "")
    .replaceAll(/\s+/g, " ")
