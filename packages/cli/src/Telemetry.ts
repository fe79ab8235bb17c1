/**
 * Sends traces, metrics and logs where the `OTEL_*` variables say.
 */
import * as UrlPassword from "@live-response/core/UrlPassword"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type Failure, fromError, ofVariable } from "./Failure.ts"

const endpoints = ["", "_TRACES", "_METRICS", "_LOGS"].map((signal) => `OTEL_EXPORTER_OTLP${signal}_ENDPOINT`)

/** The host is shown. */
const isEndpoint = (text: string): boolean => {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && !UrlPassword.mayBeHost(url)
}

/** The endpoints that are given. A text that is not one is a usage error. */
const given = Effect.gen(function* () {
  const isDisabled = yield* Config.Boolean("OTEL_SDK_DISABLED").pipe(Config.withDefault(false))
  if (isDisabled) return []
  const values = yield* Config.all(endpoints.map((name) => Config.option(Config.NonEmptyString(name))))
  const found = values.flatMap((value, i) =>
    Option.match(value, { onNone: () => [], onSome: (url) => [{ name: endpoints[i] ?? "", url }] }),
  )
  const wrong = found.find(({ url }) => !isEndpoint(url))
  if (wrong !== undefined) return yield* ofVariable(wrong.name, "expected an address such as http://127.0.0.1:4318")
  return found
})

/** Exports where an endpoint is given. What exports is loaded then, because nobody else needs it. */
export const layer: Layer.Layer<never, Failure> = Layer.unwrap(
  Effect.gen(function* (): Effect.fn.Return<Layer.Layer<never, Failure>, Failure | Config.ConfigError> {
    if ((yield* given).length === 0) return Layer.empty
    const { layer } = yield* Effect.promise(() => import("./telemetryExport.ts"))
    return layer
  }).pipe(Effect.mapError(fromError)),
)
