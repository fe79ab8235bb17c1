/**
 * How messages on standard error are written: as text, or as JSON.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as StandardError from "./StandardError.ts"

const format = Config.Literals(["text", "json"], "LIVE_RESPONSE_LOG_FORMAT").pipe(Config.withDefault("text"))

/** Writes messages as the environment says until the scope closes. A value that is neither is a warning. */
export const use = format.pipe(
  Effect.catch(() =>
    Effect.as(
      StandardError.write("live-response: LIVE_RESPONSE_LOG_FORMAT is neither text nor json: text is used"),
      "text",
    ),
  ),
  Effect.flatMap((format) => (format === "json" ? StandardError.asJson : Effect.void)),
)
