// The house's rules that no linter knows. Each says what to do instead.
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"

const git = (...args) => execFileSync("git", args, { encoding: "utf8" }).split("\n").filter(Boolean)
const files = (...patterns) => git("ls-files", "--cached", "--others", "--exclude-standard", "--", ...patterns)

const forbidden = [
  [/@ts-(ignore|expect-error|nocheck)|oxlint-disable/, "mend the code that the compiler or the linter complains of"],
  [/\b(it|describe|test)\.(skip|only|todo)\b|\.skip\(|\.only\(/, "a test runs, or is deleted"],
  [/\b(TODO|FIXME|XXX|HACK)\b/, "do it now, or write an issue"],
]

/** What opens files by path: a file in a directory of results or of state is opened by name, so that no link is followed. */
const opensFiles =
  /\bfs\.(open|readFile|readFileString|stream|sink|writeFile|writeFileString|rename|remove|copy|copyFile|link|symlink|truncate)\(/
const mayOpenFiles = /\/(PrivateDirectory|SecretFile|input\/Lists|demo\/handler)\.ts$/

const problems = []
for (const file of files("packages/*.ts", "scripts/*.mjs", ":!scripts/rules.mjs")) {
  const lines = readFileSync(file, "utf8").split("\n")
  lines.forEach((line, i) => {
    if (/\/src\//.test(file) && opensFiles.test(line) && !mayOpenFiles.test(file))
      problems.push(`${file}:${i + 1}: ${line.trim()} (open files through PrivateDirectory)`)
    for (const [pattern, instead] of forbidden) {
      if (pattern.test(line)) problems.push(`${file}:${i + 1}: ${line.trim()} (${instead})`)
    }
  })
  if (/\/src\//.test(file) && lines.length > 500)
    problems.push(`${file}: ${lines.length} lines (a room has at most 500)`)
}
for (const problem of problems) console.error(problem)
process.exit(problems.length === 0 ? 0 : 1)
