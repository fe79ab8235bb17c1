/**
 * Flags that several commands have.
 */
import * as Cloud from "@live-response/core/Cloud"
import * as QuotaRule from "@live-response/core/QuotaRule"
import * as NodeCredential from "@live-response/node/NodeCredential"
import * as ByteSize from "effect/ByteSize"
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type Failure, fromError, usage } from "../Failure.ts"
import * as KnownWords from "../input/KnownWords.ts"
import * as Format from "../output/Format.ts"
import * as TimeArgument from "../input/TimeArgument.ts"

/** A whole number between two others, whether it comes from the command line, the environment or the default. */
export const between = (minimum: number, maximum: number) =>
  Flag.filter(
    (value: number) => value >= minimum && value <= maximum,
    () => `a whole number from ${minimum} to ${Format.count(maximum)}`,
  )

/** A text that says something. */
export const nonEmpty = (what: string) =>
  Flag.filter(
    (text: string) => text !== "",
    () => what,
  )

/** What is off unless it is asked for. */
export const toggle = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDefault(false), Flag.withDescription(description))

const isWindow = (text: string) => Option.isSome(Schema.decodeOption(QuotaRule.WindowFromString)(text))

const limit = (name: string, unit: string) =>
  Flag.Int(name).pipe(
    between(1, 1_000_000),
    Flag.withMetavar("N"),
    Flag.withDescription(`Calls for links in any ${unit}`),
  )

const { perHour, perMinute } = QuotaRule.linkLimits

const vendors = (limit: number) => `the vendor's limit is ${Format.count(limit)}`

/** How many calls there may be: for the program that calls, as a choice; see `windowsOf`. */
export const quota = {
  perMinute: limit("per-minute", `minute; ${vendors(perMinute)} (LIVE_RESPONSE_PER_MINUTE)`).pipe(Flag.optional),
  perHour: limit("per-hour", `hour; ${vendors(perHour)} (LIVE_RESPONSE_PER_HOUR)`).pipe(Flag.optional),
  windows: Flag.String("window").pipe(
    Flag.filter(isWindow, () => '"<limit>/<duration>", as in "100/1 minute"'),
    Flag.atLeast(0),
    Flag.withMetavar("LIMIT/DURATION"),
    Flag.withDescription(
      'In place of those two, any windows: --window "20/10 seconds" (LIVE_RESPONSE_WINDOWS, with commas)',
    ),
  ),
  polite: toggle(
    "polite",
    "Space the calls evenly, so that others who use the app always find a place (LIVE_RESPONSE_POLITE)",
  ),
}

/** Loaded by those who call: help does not pay for it. */
const loadQuota = Effect.promise(() => import("@live-response/core/Quota"))

/** The windows that were chosen, over what the environment says, over the vendor's. */
export const windowsOf = Effect.fnUntraced(function* (options: {
  readonly perMinute: Option.Option<number>
  readonly perHour: Option.Option<number>
  readonly windows: ReadonlyArray<string>
  readonly polite: boolean
}): Effect.fn.Return<ReadonlyArray<QuotaRule.Window>, Failure> {
  const { windows } = options
  const limits = {
    ...Option.match(options.perMinute, { onNone: () => ({}), onSome: (n) => ({ LIVE_RESPONSE_PER_MINUTE: n }) }),
    ...Option.match(options.perHour, { onNone: () => ({}), onSome: (n) => ({ LIVE_RESPONSE_PER_HOUR: n }) }),
  }
  const areLimited = Object.keys(limits).length > 0
  if (areLimited && windows.length > 0) {
    return yield* usage("choose --window, or --per-minute and --per-hour; a --window says it all")
  }
  const chosen = {
    ...limits,
    ...(areLimited || windows.length > 0 ? { LIVE_RESPONSE_WINDOWS: windows } : {}),
    ...(options.polite ? { LIVE_RESPONSE_POLITE: "true" } : {}),
  }
  const Quota = yield* loadQuota
  return yield* Quota.config.pipe(
    Effect.provide(ConfigProvider.layerAdd(ConfigProvider.fromUnknown(chosen), { asPrimary: true })),
    Effect.mapError(fromError),
  )
})

/** How many calls there may be: for the service that is simulated. */
export const accepted = {
  perMinute: limit("per-minute", "minute that are accepted").pipe(Flag.withDefault(perMinute)),
  perHour: limit("per-hour", "hour that are accepted").pipe(Flag.withDefault(perHour)),
}

export const directory = Flag.String("out").pipe(
  Flag.withAlias("o"),
  nonEmpty("a directory"),
  Flag.withFallbackConfig(Config.NonEmptyString("LIVE_RESPONSE_OUT")),
  Flag.withDefault("live-response-results"),
  Flag.withMetavar("DIR"),
  Flag.withDescription("Where results and their manifest are kept (LIVE_RESPONSE_OUT)"),
)

const url = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.filter(
      Schema.is(Cloud.Endpoint),
      () => "an https URL without a user or a password; plain http is for 127.0.0.1, [::1] and localhost alone",
    ),
    Flag.optional,
    Flag.withMetavar("URL"),
    Flag.withDescription(description),
  )

/** A size of at least so many bytes. */
const size = (flag: Flag.Flag<string>, minimum: number, description: string) =>
  flag.pipe(
    Flag.filterMap(
      (text) =>
        Option.filter(Option.flatMap(ByteSize.fromString(text), ByteSize.toNumber), (bytes) => bytes >= minimum),
      () => `a size of at least ${minimum === 1 ? "one byte" : "0 B"}, such as 500 MB`,
    ),
    Flag.withMetavar("SIZE"),
    Flag.withDescription(description),
  )

/** A size that the library has a default for. */
const limitOf = (name: string, variable: string, minimum: number, description: string) =>
  size(
    Flag.String(name).pipe(Flag.withFallbackConfig(Config.NonEmptyString(variable))),
    minimum,
    `${description} (${variable})`,
  ).pipe(Flag.optional)

/** How results are downloaded. */
export const saving = {
  concurrency: Flag.Int("concurrency").pipe(
    Flag.withAlias("j"),
    Flag.withDefault(8),
    between(1, 256),
    Flag.withMetavar("N"),
    Flag.withDescription("How many results are under way at once"),
  ),
  extract: toggle("extract", "Also unpack collected files (gzip), as <index>.unpacked beside the raw one"),
  maxExtract: size(
    Flag.String("max-extract").pipe(Flag.withDefault("10 GB")),
    1,
    "What may come out of one file at most; by default 10 GB",
  ),
  maxExtractTotal: limitOf(
    "max-extract-total",
    "LIVE_RESPONSE_MAX_EXTRACT_TOTAL",
    1,
    "What may come out of all files of one run; by default 100 GB",
  ),
  maxBytes: limitOf(
    "max-bytes",
    "LIVE_RESPONSE_MAX_BYTES",
    1,
    "The largest result that is downloaded; by default 10 GB",
  ),
  maxTotal: limitOf(
    "max-total",
    "LIVE_RESPONSE_MAX_TOTAL",
    1,
    "Stop in good order when one run has downloaded so much; by default unlimited",
  ),
  minFree: limitOf(
    "min-free",
    "LIVE_RESPONSE_MIN_FREE",
    0,
    "How much disk space stays free; by default 1 GB, or 5 % of a disk of less than 20 GB",
  ),
  giveUpAfter: Flag.String("give-up-after").pipe(
    Flag.filterMap(TimeArgument.parseDuration, () => "how long, such as 30s, 90m, 24h"),
    Flag.optional,
    Flag.withMetavar("DURATION"),
    Flag.withDescription(
      "How long to wait for a network that is gone: 90m, 24h; by default 1h, with --follow for ever",
    ),
  ),
}

/** What is printed. */
export const printing = {
  json: toggle("json", "Print events as JSON lines on standard output; the summary is the last"),
  quiet: toggle("quiet", "Print nothing but errors").pipe(Flag.withAlias("q")),
}

/** How to sign in, and where: for the program that calls, over what the environment says; see `signingIn`. */
export const signIn = {
  auth: Flag.Literals("auth", NodeCredential.Kind.literals).pipe(
    Flag.optional,
    Flag.withDescription(
      "How to sign in (LIVE_RESPONSE_AUTH); by default with LIVE_RESPONSE_TOKEN, else as the AZURE_* variables say, else as Azure's own tools find a way",
    ),
  ),
  tokenFile: Flag.String("token-file").pipe(
    nonEmpty("a file"),
    Flag.optional,
    Flag.withMetavar("FILE"),
    Flag.withDescription("A file with a bearer token, read for every call: keep it fresh (LIVE_RESPONSE_TOKEN_FILE)"),
  ),
  cloud: Flag.Literals("cloud", Cloud.Name.literals).pipe(
    Flag.optional,
    Flag.withDescription("Where the tenant is (LIVE_RESPONSE_CLOUD); by default commercial"),
  ),
  endpoint: url("endpoint", "Base of the API's addresses, in place of the cloud's (LIVE_RESPONSE_ENDPOINT)"),
  authority: url("authority", "The sign-in server, in place of the cloud's (AZURE_AUTHORITY_HOST)"),
  audience: Flag.String("audience").pipe(
    nonEmpty("a URI"),
    Flag.optional,
    Flag.withMetavar("URI"),
    Flag.withDescription("What tokens are asked for, in place of the cloud's (LIVE_RESPONSE_AUDIENCE)"),
  ),
}

/** Where links to results may lead. */
export const links = {
  anyStorageHost: toggle(
    "any-storage-host",
    "Follow links to hosts other than the storage of Microsoft's clouds (LIVE_RESPONSE_STORAGE_HOSTS=any)",
  ),
}

const set = (name: string, value: Option.Option<string>) =>
  Option.match(value, { onNone: () => ({}), onSome: (value) => ({ [name]: value }) })

/** An environment in which the flags that were given stand for their variables. */
export const signingIn = Effect.fnUntraced(function* (options: {
  readonly auth: Option.Option<string>
  readonly tokenFile: Option.Option<string>
  readonly cloud: Option.Option<string>
  readonly endpoint: Option.Option<string>
  readonly authority: Option.Option<string>
  readonly audience: Option.Option<string>
  readonly anyStorageHost?: boolean
}) {
  if (Option.isSome(options.auth) && Option.isSome(options.tokenFile)) {
    return yield* usage("choose --auth or --token-file: a token that is there needs no other sign-in")
  }
  return ConfigProvider.layerAdd(
    ConfigProvider.fromUnknown({
      ...set("LIVE_RESPONSE_AUTH", options.auth),
      // A token that was named holds over another way in the environment.
      ...set("LIVE_RESPONSE_AUTH", Option.as(options.tokenFile, "token")),
      ...set("LIVE_RESPONSE_TOKEN_FILE", options.tokenFile),
      ...set("LIVE_RESPONSE_CLOUD", options.cloud),
      ...set("LIVE_RESPONSE_ENDPOINT", options.endpoint),
      ...set("AZURE_AUTHORITY_HOST", options.authority),
      ...set("LIVE_RESPONSE_AUDIENCE", options.audience),
      ...(options.anyStorageHost === true ? { LIVE_RESPONSE_STORAGE_HOSTS: ["any"] } : {}),
    }),
    { asPrimary: true },
  )
})

/** A text, as often as it is given. */
export const words = (name: string, metavar: string, description: string) =>
  text(name).pipe(Flag.atLeast(0), Flag.withMetavar(metavar), Flag.withDescription(description))

const text = (name: string) => Flag.String(name).pipe(nonEmpty("a text"))

/** The same of a field whose words are known. */
const known = (field: KnownWords.Field, metavar: string, description: string) =>
  text(field).pipe(
    Flag.mapEffect((text) => KnownWords.canonical(field, text)),
    Flag.atLeast(0),
    Flag.withMetavar(metavar),
    Flag.withDescription(description),
  )

/** A text that stands for a time, which only now decides. */
export const time = <A>(
  name: string,
  parse: (text: string, now: DateTime.Utc) => Option.Option<A>,
  expected: string,
): Flag.Flag<A> =>
  Flag.String(name).pipe(
    Flag.mapEffect((value) =>
      Effect.flatMap(DateTime.now, (now) =>
        Effect.mapError(
          Effect.fromOption(parse(value, now)),
          () => new CliError.InvalidValue({ option: name, value, expected, kind: "flag" }),
        ),
      ),
    ),
  )

/** Which machine actions are meant. Several of one flag are any of them; several flags are all of them. */
export const selection = {
  since: time(
    "since",
    TimeArgument.parsePast,
    "how long ago, such as 90m, 24h, 7d, or a date, such as 2026-11-24: at most ten years ago",
  ).pipe(
    Flag.optional,
    Flag.withMetavar("TIME"),
    Flag.withDescription("Created since then: 90m, 24h, 7d ago, or a date, such as 2026-11-24 or 2026-11-24T10:00:00Z"),
  ),
  status: known("status", "STATUS", "Pending, InProgress, Succeeded, Failed, TimeOut or Cancelled, in any case"),
  type: known("type", "TYPE", "LiveResponse, Isolate, …, in any case"),
  machine: words("machine", "MACHINE", "A machine's id, or its name"),
  requestor: words("requestor", "USER", "Who asked for it"),
  filter: text("filter").pipe(
    Flag.optional,
    Flag.withMetavar("ODATA"),
    Flag.withDescription("The API's own $filter, as it is"),
  ),
}

export interface Selection {
  readonly since: Option.Option<TimeArgument.When>
  readonly status: ReadonlyArray<string>
  readonly type: ReadonlyArray<string>
  readonly machine: ReadonlyArray<string>
  readonly requestor: ReadonlyArray<string>
  readonly filter: Option.Option<string>
}

/** Whether any of these flags was given. */
export const isSelecting = ({ filter, machine, requestor, since, status, type }: Selection): boolean =>
  Option.isSome(since) || Option.isSome(filter) || [status, type, machine, requestor].some(({ length }) => length > 0)
