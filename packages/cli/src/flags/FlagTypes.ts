/**
 * The types of flags that commands are made of: numbers in a range, sizes, times, URLs, texts and switches.
 */
import * as Cloud from "@live-response/core/Cloud"
import * as NumberText from "@live-response/core/NumberText"
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

/** A word of a field whose words are known, which may be given several times. */
export const known = (field: KnownWords.Field, metavar: string, sentence: string) =>
  text(field).pipe(
    Flag.mapEffect((value) =>
      Effect.mapError(
        Effect.fromResult(KnownWords.canonical(field, value)),
        (expected) => new CliError.InvalidValue({ option: field, value, expected, kind: "flag" }),
      ),
    ),
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

const expectedUrl =
  "an https URL without a user or a password, and without @, ? and #; plain http is for 127.0.0.1, [::1] and localhost alone"

const isEndpoint: (text: string) => boolean = Schema.is(Cloud.Endpoint)

/** The base of a service's addresses. One that is wrong and has an `@` may have a password, in whatever part, and is not shown. */
export const url = (name: string, sentence: string, facts?: Facts) =>
  Flag.String(name).pipe(
    Flag.mapEffect((text) => {
      if (isEndpoint(text)) return Effect.succeed(text)
      const value = text.includes("@") ? "…" : text
      return Effect.fail(new CliError.InvalidValue({ option: name, value, expected: expectedUrl, kind: "flag" }))
    }),
    Flag.optional,
    Flag.withMetavar("URL"),
    describe(sentence, facts),
  )

/** The value of a variable is wrong, and no flag was typed. `ConfigOrigin.describeVariable` shows it unless it may be a secret. */
export class InvalidVariable extends CliError.InvalidValue {
  override get message(): string {
    return `${this.option}: expected ${this.expected}`
  }
}

/** A variable for a flag that is not given. */
export const withVariable =
  <A>(variable: string, parse: (text: string) => Option.Option<A>, expected: string) =>
  (flag: Flag.Flag<A>): Flag.Flag<A> =>
    flag.pipe(
      Flag.map((value): Effect.Effect<A, CliError.CliError> => Effect.succeed(value)),
      Flag.withFallbackConfig(
        Config.map(Config.NonEmptyString(variable), (text) =>
          Effect.mapError(
            Effect.fromOption(parse(text)),
            () => new InvalidVariable({ option: variable, value: "", expected, kind: "flag" }),
          ),
        ),
      ),
      Flag.mapEffect((value) => value),
    )

/** A whole number in a range, from the command line or from its variable. `Flag.Int` has another error for each way to be wrong. */
export const wholeNumber = (name: string, minimum: number, maximum: number, variable?: string): Flag.Flag<number> => {
  const expected = `a whole number from ${range(minimum, maximum)}`
  const parse = Schema.decodeOption(NumberText.fromString({ minimum, maximum, expected }))
  const typed = Flag.String(name).pipe(
    Flag.filterMap(parse, () => expected),
    Flag.withMetavar("N"),
  )
  return variable === undefined ? typed : withVariable(variable, parse, expected)(typed)
}

const atLeast = (bytes: number): string => {
  if (bytes === 0) return ""
  return ` of at least ${bytes === 1 ? "one byte" : Format.bytes(bytes)}`
}

/** A number of bytes. Without it the library's default holds. */
export const size = (name: string, minimum: number, sentence: string, facts: Facts) => {
  const parse = (text: string) => SizeArgument.parse(text, minimum)
  const expected = `a size${atLeast(minimum)}, such as 500 MB`
  const typed = Flag.String(name).pipe(Flag.filterMap(parse, () => expected))
  const given = facts.env === undefined ? typed : withVariable(facts.env, parse, expected)(typed)
  return given.pipe(Flag.optional, Flag.withMetavar("SIZE"), describe(sentence, { values: "such as 500 MB", ...facts }))
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
