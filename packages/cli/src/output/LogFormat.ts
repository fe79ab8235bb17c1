/**
 * How messages on standard error are written: as text, or as JSON.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import { printable } from "./Printable.ts"
import * as StandardError from "./StandardError.ts"

export const variable = "LIVE_RESPONSE_LOG_FORMAT"

const format = Config.Literals(["text", "json"], variable).pipe(Config.withDefault("text"))

/**
 * Writes messages as the variable says until the scope closes. A value that is neither is a warning, which begins with the file
 * that sets it, if one does.
 */
export const use = (file = "") =>
  format.pipe(
    Effect.catch(() =>
      Effect.as(
        StandardError.write(
          `live-response: ${printable(file)}LIVE_RESPONSE_LOG_FORMAT is neither text nor json: text is used`,
        ),
        "text",
      ),
    ),
    Effect.flatMap((format) => (format === "json" ? StandardError.asJson : Effect.void)),
  )
