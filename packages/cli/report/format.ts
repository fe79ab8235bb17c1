/**
 * Numbers, sizes and times in English, as the command line prints them.
 */
export { bytes, duration } from "../src/output/Quantities.ts"

const counts = new Intl.NumberFormat("en-US")

export const count = (n: number): string => counts.format(n)

export const counted = (n: number, noun: string): string => `${count(n)} ${noun}${n === 1 ? "" : "s"}`

const local = new Intl.DateTimeFormat("en-CA", {
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
  timeZoneName: "shortOffset",
})

const perMinute = 60_000

/** The text of each minute, before and after the seconds: formatting 100,000 times takes a second. */
const minutes = new Map<number, readonly [start: string, zone: string]>()

const minuteOf = (minute: number): readonly [start: string, zone: string] => {
  const known = minutes.get(minute)
  if (known !== undefined) return known
  const parts = new Map(local.formatToParts(minute * perMinute).map(({ type, value }) => [type, value]))
  const names = ["year", "month", "day", "hour", "minute"] as const
  const [year, month, day, hour, min] = names.map((name) => parts.get(name))
  const zone = (parts.get("timeZoneName") ?? "").replace("GMT", "UTC")
  const texts = [`${year}-${month}-${day} ${hour}:${min}`, zone === "UTC+0" ? "UTC" : zone] as const
  minutes.set(minute, texts)
  return texts
}

/** 2026-11-24 14:05:09 UTC+1, in the zone of the reader. Empty if the time is unknown. */
export const time = (millis: number): string => {
  if (millis === 0) return ""
  const [start, zone] = minuteOf(Math.floor(millis / perMinute))
  const seconds = String(Math.floor((millis % perMinute) / 1000)).padStart(2, "0")
  return `${start}:${seconds} ${zone}`
}

const utc = new Intl.DateTimeFormat("sv-SE", {
  dateStyle: "short",
  timeStyle: "medium",
  timeZone: "UTC",
})

/** The same instant for other programs: 2026-11-24T13:05:09.000Z. */
export const iso = (millis: number): string =>
  millis === 0 ? "" : `${utc.format(millis).replace(" ", "T")}.${String(millis % 1000).padStart(3, "0")}Z`
