/** A runner with collectors as a process: `collectorProcess.ts <options as JSON>`. */
import * as Duration from "effect/Duration"
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
    followSeconds: Schema.optionalKey(Schema.Finite),
    pollSeconds: Schema.optionalKey(Schema.Finite),
  }),
)

const { followSeconds = 0.2, pollSeconds = 0.2, url, ...options } = Schema.decodeUnknownSync(Options)(process.argv[2])

const runner = Collectors.layer({
  ...options,
  url: Redacted.make(url),
  followEvery: Duration.seconds(followSeconds),
  pollEvery: Duration.seconds(pollSeconds),
})

await Effect.runPromise(Layer.launch(runner))
