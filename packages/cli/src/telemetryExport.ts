/**
 * Exports telemetry over OTLP. `Telemetry.ts` loads it where it is needed.
 */
import * as NodeTransport from "@live-response/node/NodeTransport"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Otlp from "effect/observability/Otlp"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as Option from "effect/Option"
import * as References from "effect/References"
import packageJson from "../package.json" with { type: "json" }
import { Failure, ofVariable, usage } from "./Failure.ts"
import { printable } from "./output/Printable.ts"
import * as StandardError from "./output/StandardError.ts"

/** OpenTelemetry's default: each signal that has an endpoint is exported. Effect's is that none is. */
const defaults = ConfigProvider.layerAdd(
  ConfigProvider.fromUnknown({
    OTEL_TRACES_EXPORTER: ["otlp"],
    OTEL_METRICS_EXPORTER: ["otlp"],
    OTEL_LOGS_EXPORTER: ["otlp"],
    OTEL_SERVICE_NAME: "live-response",
    // In milliseconds, how long a command waits for it at its end.
    OTEL_EXPORTER_OTLP_TIMEOUT: "1000",
  }),
)

const protocols = {
  "http/protobuf": OtlpSerialization.layerProtobuf,
  "http/json": OtlpSerialization.layerJson,
}

const isProtocol = (text: string): text is keyof typeof protocols => Object.hasOwn(protocols, text)

const serialization = Layer.unwrap(
  Effect.gen(function* () {
    const name = "OTEL_EXPORTER_OTLP_PROTOCOL"
    const protocol = yield* Config.NonEmptyString(name).pipe(Config.withDefault("http/protobuf"))
    if (!isProtocol(protocol)) return yield* ofVariable(name, "expected http/protobuf or http/json")
    return protocols[protocol]
  }),
)

const header = /^\s*[\w!#$%&'*+.^`|~-]+\s*=(?:[^%]|%[\da-f]{2})*$/i

/** Effect leaves out what it can't read of headers, and their values are secrets. */
const checkHeaders = Effect.gen(function* () {
  for (const signal of ["", "_TRACES", "_METRICS", "_LOGS"]) {
    const name = `OTEL_EXPORTER_OTLP${signal}_HEADERS`
    const value = yield* Config.option(Config.NonEmptyString(name))
    if (Option.isSome(value) && !value.value.split(",").every((each) => header.test(each))) {
      return yield* ofVariable(name, "expected name=value, with commas between headers and %20 for a blank")
    }
  }
})

/** How many requests fail one after the other before that is reported: each of three signals is tried four times. */
const reportAfter = 12

/** Reports once that telemetry does not arrive. It names the host alone, because the rest may have a secret. */
const reporting = Effect.gen(function* () {
  const client = yield* HttpClient.HttpClient
  const state = { failed: 0, host: "", isReported: false }
  const report = Effect.suspend(() => {
    if (state.isReported || state.failed === 0) return Effect.void
    state.isReported = true
    return StandardError.write(
      `live-response: telemetry could not be delivered to ${printable(state.host)}, and is lost; check OTEL_EXPORTER_OTLP_ENDPOINT`,
      "warning",
    )
  })
  yield* Effect.addFinalizer(() => report)
  return HttpClient.transform(client, (response, request) =>
    response.pipe(
      // The debug log has the path of each request, in which a collector may have its key.
      Effect.provideService(References.MinimumLogLevel, "None"),
      Effect.onExit((exit) => {
        const isDelivered = Exit.isSuccess(exit) && exit.value.status < 400
        state.failed = isDelivered ? 0 : state.failed + 1
        if (!isDelivered) state.host = URL.parse(request.url)?.host ?? ""
        return state.failed >= reportAfter ? report : Effect.void
      }),
    ),
  )
})

const transport = Layer.effect(HttpClient.HttpClient, reporting).pipe(Layer.provide(NodeTransport.layer))

export const layer: Layer.Layer<never, Failure> = Otlp.layerFromConfig({
  resource: { serviceVersion: packageJson.version },
}).pipe(
  Layer.provide([serialization, transport, Layer.effectDiscard(checkHeaders)]),
  Layer.provide(defaults),
  Layer.merge(Layer.succeed(References.TracerEnabled, true)),
  // Effect dies of a variable that it can't read.
  Layer.catchCause((cause): Layer.Layer<never, Failure> => {
    const error = Cause.squash(cause)
    if (error instanceof Failure) return Layer.effectDiscard(Effect.fail(error))
    const why = error instanceof Error ? error.message : String(error)
    return Layer.effectDiscard(Effect.fail(usage(`a variable OTEL_* can't be used: ${why.split("\n").join(" ")}`)))
  }),
)
