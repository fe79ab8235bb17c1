/**
 * The secrets in the environment of this process.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Proxy from "./internal/proxy.ts"
import * as RedisAddress from "./internal/redisAddress.ts"

/**
 * The variables that hold a secret and that this package reads through `ConfigProvider` alone.
 *
 * **When to use**
 *
 * To remove them from `process.env` once a `ConfigProvider` has a copy: the programs that a sign-in starts (`az`, `azd`,
 * PowerShell) inherit `process.env`.
 *
 * @since 0.1.0
 * @category options
 */
export const secretVariables: ReadonlyArray<string> = [
  "LIVE_RESPONSE_TOKEN",
  "LIVE_RESPONSE_REDIS_URL",
  "LIVE_RESPONSE_DATABASE_URL",
  "LIVE_RESPONSE_LISTEN_TOKEN",
  "LIVE_RESPONSE_NOTIFY",
  "OTEL_EXPORTER_OTLP_HEADERS",
  "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
  "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
  "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
  "AZURE_CLIENT_SECRET",
  "LIVE_RESPONSE_OBJECT_STORE_SECRET",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AZURE_CLIENT_CERTIFICATE_PASSWORD",
]

/** `@azure/identity` reads this one from `process.env` itself. */
const allVariables = [...secretVariables, "AZURE_PASSWORD"]

const passwordsOf = (addresses: ReadonlyArray<string>) =>
  addresses.flatMap((address) => URL.parse(address)?.password ?? []).map((password) => Redacted.make(password))

/**
 * Each secret in the environment, for `TerminalText.withoutSecrets`: those in {@link secretVariables}, `AZURE_PASSWORD`,
 * and the passwords of Redis, of PostgreSQL and of the proxies. Fails where the address of a proxy can't be read.
 *
 * @since 0.1.0
 * @category options
 */
export const secrets: Effect.Effect<ReadonlyArray<Redacted.Redacted<string>>, Config.ConfigError> = Effect.gen(
  function* () {
    const variables = yield* Config.all(allVariables.map((name) => Config.option(Config.Redacted(name))))
    const { httpProxy, httpsProxy } = yield* Proxy.variables
    const values = variables.flatMap(Option.toArray)
    const redis = values.flatMap((value) => Option.toArray(RedisAddress.parse(value))).map(({ password }) => password)
    const addresses = [httpProxy, httpsProxy, ...values.map(Redacted.value).filter((value) => value.includes("://"))]
    return [...values, ...redis.filter((password) => password !== undefined), ...passwordsOf(addresses)]
  },
)
