// CHANGELOG.md: what is unreleased, and what each version has.
const unreleased = "## [Unreleased]"

/** The changelog with a section for this version, unless it has one. Fails if there is nothing to release. */
export function withVersion(text, version, date) {
  if (sectionOf(text, version) !== undefined) return text
  const [head, rest = ""] = text.split(`${unreleased}\n`)
  if (!/^\s*[^#\s]/m.test(rest.split("\n## ")[0])) {
    throw new Error("CHANGELOG.md has nothing under Unreleased: write there what changes for users.")
  }
  return `${head}${unreleased}\n\n## [${version}] - ${date}\n${rest}`
}

/** What the changelog says of a version, if it has it. */
export function sectionOf(text, version) {
  const section = text.split("\n## ").find((section) => section.startsWith(`[${version}] `))
  return section?.split("\n").slice(1).join("\n").trim()
}
