/** A runner with collectors as a process: `collectorProcess.ts <options as JSON>`. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Collectors from "./collectors.ts"

const Options = Schema.fromJsonString(
  Schema.Struct({
    runner: Schema.String,
    url: Schema.String,
    spool: Schema.String,
    objects: Schema.String,
  }),
)

const { url, ...options } = Schema.decodeUnknownSync(Options)(process.argv[2])

await Effect.runPromise(Layer.launch(Collectors.layer({ ...options, url: Redacted.make(url) })))
