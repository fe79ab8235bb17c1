/**
 * `live-response serve`
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FlagTypes from "../../flags/FlagTypes.ts"
import * as Listen from "../../flags/Listen.ts"

/** Help and usage errors do not load what speaks to PostgreSQL. */
const loadHandler = Effect.promise(() => import("./handler.ts"))

const defaultSpool = "live-response-spool"

const [fewest, most] = [1, 1000]

const count = (name: string, variable: string, byDefault: number, sentence: string) =>
  FlagTypes.wholeNumber(name, fewest, most, variable).pipe(
    Flag.optional,
    FlagTypes.describe(sentence, { values: FlagTypes.range(fewest, most), default: byDefault, env: variable }),
  )

const parameters = {
  objectStore: FlagTypes.text("object-store").pipe(
    Flag.withFallbackConfig(Config.NonEmptyString("LIVE_RESPONSE_OBJECT_STORE")),
    Flag.withMetavar("URL"),
    FlagTypes.describe(
      "Where results are stored: a container of Azure, a bucket of S3, or a directory that all share",
      {
        values: "azure://, s3:// or file://",
        env: "LIVE_RESPONSE_OBJECT_STORE",
      },
    ),
  ),
  spool: Flag.String("spool").pipe(
    FlagTypes.notBlank("a directory"),
    Flag.withFallbackConfig(Config.NonEmptyString("LIVE_RESPONSE_SPOOL")),
    Flag.withDefault(defaultSpool),
    Flag.withMetavar("DIR"),
    FlagTypes.describe("Directory of this runner alone, for results until they are uploaded", {
      default: defaultSpool,
      env: "LIVE_RESPONSE_SPOOL",
    }),
  ),
  runner: Flag.String("runner").pipe(
    FlagTypes.notBlank("a name"),
    Flag.withFallbackConfig(Config.NonEmptyString("LIVE_RESPONSE_RUNNER")),
    Flag.optional,
    Flag.withMetavar("NAME"),
    FlagTypes.describe("The name of this runner in messages; each start adds letters of its own", {
      default: "the name of the machine",
      env: "LIVE_RESPONSE_RUNNER",
    }),
  ),
  transfers: count("transfers", "LIVE_RESPONSE_TRANSFERS", 32, "How many results this runner downloads at once"),
  transfersPerTenant: count(
    "transfers-per-tenant",
    "LIVE_RESPONSE_TRANSFERS_PER_TENANT",
    8,
    "How many of them are of one tenant",
  ),
  maxSpool: FlagTypes.size("max-spool", 1_000_000, "How much of the spool all results in progress use together", {
    default: "20 GB",
    env: "LIVE_RESPONSE_MAX_SPOOL",
  }),
  maxSpoolPerTenant: FlagTypes.size("max-spool-per-tenant", 1_000_000, "How much of it is of one tenant", {
    default: "10 GB",
    env: "LIVE_RESPONSE_MAX_SPOOL_PER_TENANT",
  }),
  listen: Flag.String("listen").pipe(
    Flag.filterMap(Listen.parse, () => Listen.expected),
    FlagTypes.withVariable("LIVE_RESPONSE_LISTEN", Listen.parse, Listen.expected),
    Flag.optional,
    Flag.withMetavar("HOST:PORT"),
    FlagTypes.describe("Serve /health, /ready and /metrics; nothing of results is there", {
      values: "such as 127.0.0.1:9464",
      env: "LIVE_RESPONSE_LISTEN",
    }),
  ),
  quiet: FlagTypes.toggle("quiet", "Print only warnings and errors").pipe(Flag.withAlias("q")),
}

export type Options = Command.Command.Config.Infer<typeof parameters>

export const serve = Command.make(
  "serve",
  parameters,
  Effect.fnUntraced(function* (options) {
    const handler = yield* loadHandler
    return yield* handler.serve(options)
  }),
).pipe(
  Command.withShortDescription("Collect the results of many tenants, together with other machines"),
  Command.withDescription(
    "Collect the results of the tenants in the registry until it is stopped, as one of any number of runners that share a PostgreSQL database (LIVE_RESPONSE_DATABASE_URL) and an object store. Each tenant is collected by one runner at a time, and by another one when that one is gone. SIGTERM stops it within five seconds, with exit code 0.",
  ),
  Command.withExamples([
    {
      command: "live-response serve --config /etc/live-response/serve.toml --listen 127.0.0.1:9464",
      description: "A runner, configured by a file",
    },
  ]),
)
