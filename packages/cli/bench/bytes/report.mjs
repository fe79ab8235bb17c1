/** What `bench:bytes` leaves: the table of `docs/performance.md`, and the reference of `bench:gate`. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const pathOf = (relative) => fileURLToPath(new URL(relative, import.meta.url))
const page = pathOf("../../../../docs/performance.md")
const reference = pathOf("../bytes.reference.json")

/** A ratio that is worse by a quarter fails the gate. */
const tolerance = 1.25

/** Replaces what stands on the page between the marks of a name. */
export const writeToPage = (name, text) => {
  const [start, end] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`]
  const [before = "", rest = ""] = readFileSync(page, "utf8").split(start)
  const [, after] = rest.split(end)
  if (after === undefined) throw new Error(`${page} has no ${start}`)
  writeFileSync(page, `${before}${start}\n\n${text}\n\n${end}${after}`)
}

const ratiosOf = (results) =>
  Object.fromEntries(Object.entries(results).map(([work, { ours }]) => [work, Number(ours.ratio.toFixed(2))]))

export const writeReference = (results) =>
  writeFileSync(reference, `${JSON.stringify(ratiosOf(results), undefined, 2)}\n`)

/** The ratios that are worse than the reference, each as a line. */
export const worse = (results) => {
  if (!existsSync(reference)) return [`there is no ${reference}; write it with bytes.mjs --reference`]
  const known = JSON.parse(readFileSync(reference, "utf8"))
  return Object.entries(ratiosOf(results)).flatMap(([work, ratio]) =>
    known[work] === undefined || ratio <= known[work] * tolerance
      ? []
      : [`${work}: ${ratio} times the CPU of an undici pipeline, and ${known[work]} in ${reference}`],
  )
}
