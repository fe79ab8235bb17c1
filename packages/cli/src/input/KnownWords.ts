/**
 * The words of flags whose values Microsoft lists, such as `--status`, and the usual ones of `--os`. An unknown word is most likely a
 * mistyped one, which would select nothing: it is an error. Microsoft may add words, and `--filter` passes any word to the API.
 */
import * as Result from "effect/Result"

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
    "Windows10WVD",
    "Windows8Blue",
    "Windows8",
    "Windows7",
    "WindowsServer2025",
    "WindowsServer2022",
    "WindowsServer2019",
    "WindowsServer2016",
    "WindowsServer2012R2",
    "WindowsServer2012",
    "WindowsServer2008R2",
    "macOS",
    "Linux",
    "Android",
    "iOS",
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

/** What each field is called in `$filter`. */
const inFilter: Readonly<Record<Field, string>> = {
  status: "status",
  type: "type",
  os: "osPlatform",
  health: "healthStatus",
  risk: "riskScore",
}

/**
 * A word as the API spells it, or what is expected in place of an unknown one. Microsoft lists no systems, and distributions of Linux
 * are some: one that is like no known one passes as it is.
 */
export const canonical = (field: Field, text: string): Result.Result<string, string> => {
  const words = knownWords[field]
  const known = words.find((word) => word.toLowerCase() === text.toLowerCase())
  if (known === undefined && field === "os" && close(words, text).length === 0) return Result.succeed(text)
  return known === undefined
    ? Result.fail(`one of ${words.join(", ")} (for a newer one: --filter "${inFilter[field]} eq 'WORD'")`)
    : Result.succeed(known)
}

/** The end of a message about a word that is none of the known ones: the one that it probably means. */
export const suggestion = (words: ReadonlyArray<string>, text: string): string => {
  const [meant] = close(words, text)
  return meant === undefined ? "" : `; did you mean ${meant}?`
}

/** The same for a message that lists the words. */
export const suggestionIn = (message: string, text: string): string =>
  suggestion(/ one of ([\w.-]+(?:, [\w.-]+)+)/.exec(message)?.[1]?.split(", ") ?? [], text)
