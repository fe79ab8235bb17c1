/**
 * The types of flags that commands are made of: numbers in a range, sizes, times, URLs, texts and switches.
 */
import * as Cloud from "@live-response/core/Cloud"
import * as Timing from "@live-response/core/Timing"
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as KnownWords from "../input/KnownWords.ts"
import * as SizeArgument from "../input/SizeArgument.ts"
import * as TimeArgument from "../input/TimeArgument.ts"
import * as Format from "../output/Format.ts"

/** What the help of a flag states after its sentence, always in this order. Choices of words are added by Effect. */
export interface Facts {
  /** The values that the flag allows. */
  readonly values?: string
  /** The value that is used without the flag. */
  readonly default?: string | number
  /** The environment variable that stands for the flag. */
  readonly env?: string
}

const written = (value: string | number): string => (typeof value === "number" ? Format.count(value) : value)

/** The help of a flag: one sentence, then its facts in brackets. */
export const describe =
  (sentence: string, facts: Facts = {}) =>
  <A>(flag: Flag.Flag<A>): Flag.Flag<A> => {
    const stated = [
      ...(facts.values === undefined ? [] : [facts.values]),
      ...(facts.default === undefined ? [] : [`default: ${written(facts.default)}`]),
      ...(facts.env === undefined ? [] : [`env: ${facts.env}`]),
    ]
    return Flag.withDescription(flag, stated.length === 0 ? sentence : `${sentence} (${stated.join("; ")})`)
  }

/** An integer in a range, whether it comes from the command line, the environment or the default. */
export const between = (minimum: number, maximum: number) =>
  Flag.filter(
    (value: number) => value >= minimum && value <= maximum,
    () => `a whole number from ${range(minimum, maximum)}`,
  )

/** A range as help and messages write it. */
export const range = (minimum: number, maximum: number): string => `${minimum} to ${Format.count(maximum)}`

/** A text that is not blank. `expected` names what it must be. */
export const notBlank = (expected: string) =>
  Flag.filter(
    (text: string) => text.trim() !== "",
    () => expected,
  )

/** A switch that is off by default. */
export const toggle = (name: string, sentence: string, facts?: Facts): Flag.Flag<boolean> =>
  Flag.Boolean(name).pipe(Flag.withDefault(false), describe(sentence, facts))

/** A text. */
export const text = (name: string): Flag.Flag<string> => Flag.String(name).pipe(notBlank("a text that is not blank"))

/** A text that may be given several times. */
export const texts = (name: string, metavar: string, sentence: string, facts?: Facts) =>
  text(name).pipe(Flag.atLeast(0), Flag.withMetavar(metavar), describe(sentence, facts))

/** A word of a field whose words are known, which may be given several times. An unknown word is a warning. */
export const known = (field: KnownWords.Field, metavar: string, sentence: string) =>
  text(field).pipe(
    Flag.mapEffect((text) => KnownWords.canonical(field, text)),
    Flag.atLeast(0),
    Flag.withMetavar(metavar),
    describe(sentence, { values: `${KnownWords.knownWords[field].join(", ")}, in any case` }),
  )

/** A file, or standard input (`-`), that may be given several times. */
export const lists = (name: string, sentence: string, facts?: Facts) =>
  Flag.String(name).pipe(Flag.atLeast(0), Flag.withMetavar("FILE"), describe(sentence, facts))

/** A directory. */
export const directory = (name: string, sentence: string, facts?: Facts) =>
  Flag.String(name).pipe(notBlank("a directory"), Flag.optional, Flag.withMetavar("DIR"), describe(sentence, facts))

/** The base of a service's addresses. */
export const url = (name: string, sentence: string, facts?: Facts) =>
  Flag.String(name).pipe(
    Flag.filter(
      Schema.is(Cloud.Endpoint),
      () => "an https URL without a user or a password; plain http is for 127.0.0.1, [::1] and localhost alone",
    ),
    Flag.optional,
    Flag.withMetavar("URL"),
    describe(sentence, facts),
  )

/** A number of bytes. Without it the library's default holds. */
export const size = (name: string, minimum: number, sentence: string, facts: Facts) => {
  const given =
    facts.env === undefined
      ? Flag.String(name)
      : Flag.String(name).pipe(Flag.withFallbackConfig(Config.NonEmptyString(facts.env)))
  return given.pipe(
    Flag.filterMap(
      (text) => SizeArgument.parse(text, minimum),
      () => `a size of at least ${minimum === 1 ? "one byte" : Format.bytes(minimum)}, such as 500 MB`,
    ),
    Flag.optional,
    Flag.withMetavar("SIZE"),
    describe(sentence, { values: "such as 500 MB", ...facts }),
  )
}

/** A duration. */
export const duration = (
  name: string,
  sentence: string,
  facts?: Facts,
  parse = TimeArgument.parseDuration,
  expected = "how long, such as 30s, 90m, 24h",
) =>
  Flag.String(name).pipe(
    Flag.filterMap(parse, () => expected),
    Flag.optional,
    Flag.withMetavar("DURATION"),
    describe(sentence, { values: "such as 30s, 90m, 24h", ...facts }),
  )

const parseWait = Schema.decodeOption(Timing.WaitFromString)

/** How long to wait, in the bounds of the variables of waits. */
export const wait = (name: string, sentence: string, facts?: Facts) =>
  duration(name, sentence, facts, parseWait, Timing.expectedWait)

/** A time that is parsed relative to now. */
export const time = <A>(
  name: string,
  parse: (text: string, now: DateTime.Utc) => Option.Option<A>,
  expected: string,
): Flag.Flag<Option.Option<A>> =>
  Flag.String(name).pipe(
    Flag.mapEffect((value) =>
      Effect.flatMap(DateTime.now, (now) =>
        Effect.mapError(
          Effect.fromOption(parse(value, now)),
          () => new CliError.InvalidValue({ option: name, value, expected, kind: "flag" }),
        ),
      ),
    ),
    Flag.optional,
    Flag.withMetavar("TIME"),
  )

/** A time that has passed. */
export const past = (name: string, sentence: string) =>
  time(
    name,
    TimeArgument.parsePast,
    "how long ago, such as 90m, 24h, 7d, or a date, such as 2026-11-24: at most ten years ago",
  ).pipe(describe(sentence, { values: "90m, 24h, 7d or 2w ago, or a date such as 2026-11-24 or 2026-11-24T10:00:00Z" }))

/** An expression that the API filters by. */
export const odata = (name: string, records: string) =>
  text(name).pipe(
    Flag.optional,
    Flag.withMetavar("ODATA"),
    describe(`Only ${records} that match this $filter, which is passed to the API unchanged`),
  )
