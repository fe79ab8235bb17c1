// The project rules that no linter checks. Each problem is a line with its place and what to do instead.
//
//     node scripts/rules.mjs [path...]
import { execFileSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { hitsIn } from "./glossary.mjs"

/** The files of this repository at these paths, also those that are not committed yet. */
const files = (...paths) =>
  execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "--", ...paths], { encoding: "utf8" })
    .split("\n")
    .filter((file) => file !== "" && existsSync(file))

/** Problems of one line: where a rule applies, what it forbids, and what to do instead. */
const lineRules = [
  {
    appliesTo: /\.(ts|mjs)$/,
    forbids: /@ts-(ignore|expect-error|nocheck)|oxlint-disable/,
    instead: "fix the code that the compiler or the linter reports",
  },
  {
    appliesTo: /\.(ts|mjs)$/,
    forbids: /\b(it|describe|test)\.(skip|only|todo)\b|\.skip\(|\.only\(/,
    instead: "run the test, or delete it",
  },
  {
    appliesTo: /\.(ts|mjs)$/,
    forbids: /\b(TODO|FIXME|XXX|HACK)\b/,
    instead: "do it now, or write an issue",
  },
  {
    // A path can lead through a link. PrivateDirectory opens files of results and of state by name, without following links.
    // NodeDirectFileSystem is what it opens them with.
    appliesTo:
      /\/src\/(?!(.*\/)?(PrivateDirectory|NodeDirectFileSystem|SecretFile|input\/(Lists|LocalFile)|demo\/handler)\.ts$)/,
    forbids:
      /\bfs\.(open|readFile|readFileString|stream|sink|writeFile|writeFileString|rename|remove|copy|copyFile|link|symlink|truncate)\(/,
    instead: "open files through PrivateDirectory",
  },
  {
    // CompileCache decides before anything else is loaded.
    appliesTo: /\/src\/(?!(.*\/)?(NodePlatform|pathPermissions|CompileCache)\.ts$)/,
    forbids:
      /\bprocess\.(platform|getuid|geteuid)\b|\bos\.(platform|type)\(|\bsep\s*[!=]==|\bmode\)? & |\.(on|once)\("SIG(TERM|HUP|BREAK)"/,
    instead: "ask core's Platform, which has the rules of every system",
  },
  {
    // Effect's cluster is unstable, so one file knows it.
    appliesTo: /^packages\/(?!cluster\/src\/internal\/engine\.ts$).*\.ts$/,
    forbids: /["']effect\/cluster\b/,
    instead: "use the engine of packages/cluster, whose internal/engine.ts alone names effect/cluster",
  },
]

const problemsOfLine = (file, line) => [
  ...lineRules
    .filter(({ appliesTo, forbids }) => appliesTo.test(file) && forbids.test(line))
    .map(({ instead }) => instead),
  ...hitsIn(line).map(({ write }) => `write instead: ${write}`),
]

const longest = 500

const problemsOf = (file) => {
  const lines = readFileSync(file, "utf8").split("\n")
  const problems = lines.flatMap((line, i) =>
    problemsOfLine(file, line).map((problem) => `${file}:${i + 1}: ${line.trim().slice(0, 130)} (${problem})`),
  )
  const isTooLong = /\/src\//.test(file) && lines.length > longest
  return isTooLong
    ? [...problems, `${file}: ${lines.length} lines (split it: a module has at most ${longest})`]
    : problems
}

/** Text that people wrote: not the lockfile, not the history, and not the rules themselves. */
const isChecked = (file) =>
  /\.(ts|mjs|md|json|yaml|sh)$/.test(file) && !/(^|\/)(pnpm-lock|CHANGELOG|rules\.mjs|glossary\.mjs)/.test(file)

const paths = process.argv.slice(2)
const problems = files(...(paths.length === 0 ? ["."] : paths))
  .filter(isChecked)
  .flatMap(problemsOf)
for (const problem of problems) console.error(problem)
process.exit(problems.length === 0 ? 0 : 1)
