/**
 * Exports telemetry over OTLP. `Telemetry.ts` loads it where it is needed.
 */
import * as NodeTransport from "@live-response/node/NodeTransport"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Otlp from "effect/observability/Otlp"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as References from "effect/References"
import packageJson from "../package.json" with { type: "json" }
import { type Failure, usage } from "./Failure.ts"

/** OpenTelemetry's default: each signal that has an endpoint is exported. Effect's is that none is. */
const defaults = ConfigProvider.layerAdd(
  ConfigProvider.fromUnknown({
    OTEL_TRACES_EXPORTER: ["otlp"],
    OTEL_METRICS_EXPORTER: ["otlp"],
    OTEL_LOGS_EXPORTER: ["otlp"],
    OTEL_SERVICE_NAME: "live-response",
  }),
)

const serialization = Layer.unwrap(
  Effect.map(
    Config.Literals(["http/protobuf", "http/json"], "OTEL_EXPORTER_OTLP_PROTOCOL").pipe(
      Config.withDefault("http/protobuf"),
    ),
    (protocol) => (protocol === "http/json" ? OtlpSerialization.layerJson : OtlpSerialization.layerProtobuf),
  ),
)

export const layer: Layer.Layer<never, Failure> = Otlp.layerFromConfig({
  resource: { serviceVersion: packageJson.version },
}).pipe(
  Layer.provide([serialization, NodeTransport.layer]),
  Layer.provide(defaults),
  Layer.merge(Layer.succeed(References.TracerEnabled, true)),
  // Effect dies of a variable that it can't read.
  Layer.catchCause((cause): Layer.Layer<never, Failure> => {
    const error = Cause.squash(cause)
    const why = error instanceof Error ? error.message : String(error)
    return Layer.effectDiscard(Effect.fail(usage(`a variable OTEL_* can't be used: ${why.split("\n").join(" ")}`)))
  }),
)
