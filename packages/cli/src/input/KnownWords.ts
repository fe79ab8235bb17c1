/**
 * The words of flags whose values Microsoft lists, such as `--status` and `--os`. Microsoft may add words, so an unknown word is a warning, not an error.
 */
import * as Effect from "effect/Effect"
import { printable } from "../output/Printable.ts"

/**
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/machineaction
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/machine
 */
export const knownWords = {
  status: ["Pending", "InProgress", "Succeeded", "Failed", "TimeOut", "Cancelled"],
  type: [
    "RunAntiVirusScan",
    "Offboard",
    "LiveResponse",
    "CollectInvestigationPackage",
    "Isolate",
    "Unisolate",
    "StopAndQuarantineFile",
    "RestrictCodeExecution",
    "UnrestrictCodeExecution",
  ],
  os: [
    "Windows11",
    "Windows10",
    "WindowsServer2025",
    "WindowsServer2022",
    "WindowsServer2019",
    "WindowsServer2016",
    "WindowsServer2012R2",
    "macOS",
    "Linux",
  ],
  health: [
    "Active",
    "Inactive",
    "ImpairedCommunication",
    "NoSensorData",
    "NoSensorDataImpairedCommunication",
    "Unknown",
  ],
  risk: ["None", "Informational", "Low", "Medium", "High"],
} as const

export type Field = keyof typeof knownWords

/** How many characters must be inserted, removed or replaced to turn one text into the other (Levenshtein distance). */
const distance = (one: string, other: string): number => {
  let row = Array.from({ length: other.length + 1 }, (_, i) => i)
  for (const [i, character] of Array.from(one).entries()) {
    const next = [i + 1]
    for (let j = 0; j < other.length; j++) {
      const replaced = (row[j] ?? 0) + (character === other[j] ? 0 : 1)
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row[other.length] ?? 0
}

/** How long a name is without its extension, which many names share. */
const stemLength = (word: string): number => word.replace(/(?<=.)\.[^.]{0,10}$/, "").length

/**
 * The words that a text probably means, the nearest first: at most a third of their characters differ, without counting the
 * extension of a file's name.
 */
export const close = (words: ReadonlyArray<string>, text: string): ReadonlyArray<string> =>
  words
    .map((word) => ({ word, distance: distance(text.toLowerCase().slice(0, 50), word.toLowerCase().slice(0, 50)) }))
    .filter(({ distance, word }) => distance * 3 <= Math.min(stemLength(word), 50))
    .toSorted((a, b) => a.distance - b.distance)
    .map(({ word }) => word)

/** The known word that a text probably means. */
export const nearest = (field: Field, text: string): string | undefined => close(knownWords[field], text)[0]

/** A word as the API spells it. An unknown word stays unchanged, with a warning. */
export const canonical = Effect.fnUntraced(function* (field: Field, text: string): Effect.fn.Return<string> {
  const known = knownWords[field].find((word) => word.toLowerCase() === text.toLowerCase())
  if (known !== undefined) return known
  const meant = nearest(field, text)
  const hint = meant === undefined ? "" : ` Did you mean ${meant}?`
  yield* Effect.logWarning(
    `unknown ${field} "${printable(text.slice(0, 80))}": nothing may match.${hint} Known: ${knownWords[field].join(", ")}`,
  )
  return text
})
