/**
 * `live-response download`
 */
import * as Cloud from "@live-response/core/Cloud"
import { LiveResponse } from "@live-response/core/LiveResponse"
import { Manifest } from "@live-response/core/Manifest"
import type { ResultRef } from "@live-response/core/ResultRef"
import * as NodeCredential from "@live-response/node/NodeCredential"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Failure from "../Failure.ts"
import * as Flags from "../Flags.ts"
import * as Output from "../output/Output.ts"
import * as Targets from "../Targets.ts"

export const download = Command.make(
  "download",
  {
    targets: Argument.String("target").pipe(
      Argument.variadic(),
      Argument.withMetavar("TARGET"),
      Argument.withDescription("<machine action id>:<index>; also <id>:<a>-<b> and <id>:<a>,<b>"),
    ),
    lists: Flag.String("from").pipe(
      Flag.atLeast(0),
      Flag.withMetavar("FILE"),
      Flag.withDescription("A list of targets: one a line, JSON lines, or .csv with a header; - is standard input"),
    ),
    directory: Flags.directory,
    concurrency: Flag.Int("concurrency").pipe(
      Flag.withAlias("j"),
      Flag.withSchema(Flags.between(1, 256)),
      Flag.withDefault(8),
      Flag.withMetavar("N"),
      Flag.withDescription("How many results are under way at once"),
    ),
    endpoint: Flag.String("endpoint").pipe(
      Flag.withSchema(Cloud.Endpoint),
      Flag.withFallbackConfig(Config.schema(Cloud.Endpoint, "LIVE_RESPONSE_ENDPOINT")),
      Flag.withDefault(Cloud.commercial.base),
      Flag.withMetavar("URL"),
      Flag.withDescription("Base of the API's addresses (LIVE_RESPONSE_ENDPOINT)"),
    ),
    perMinute: Flags.perMinute,
    perHour: Flags.perHour,
    retryFailed: Flag.Boolean("retry-failed").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Add what the directory's manifest says has failed"),
    ),
    json: Flag.Boolean("json").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Print events as JSON lines on standard output; the summary is the last"),
    ),
    quiet: Flag.Boolean("quiet").pipe(
      Flag.withAlias("q"),
      Flag.withDefault(false),
      Flag.withDescription("Print nothing but errors"),
    ),
  },
  Effect.fnUntraced(function* (options) {
    const named = yield* Targets.fromArguments(options.targets)
    if (named.length === 0 && options.lists.length === 0 && !options.retryFailed) {
      return yield* Failure.usage(
        "nothing to download; name a TARGET, or a list of them with --from FILE (- is standard input)",
      )
    }
    yield* Effect.forEach(options.lists, Targets.checkReadable)

    const live = NodeLiveResponse.layer({
      directory: options.directory,
      endpoint: options.endpoint,
      limits: { perMinute: options.perMinute, perHour: options.perHour },
    }).pipe(Layer.provide(NodeCredential.layerConfig))

    yield* batch(named, options).pipe(
      Effect.scoped,
      Effect.provide(live),
      Effect.catchTags({
        CredentialError: (error) => Effect.fail(Failure.fromError(error)),
        DefenderError: (error) => Effect.fail(Failure.fromError(error)),
        StoreError: (error) => Effect.fail(Failure.fromError(error)),
      }),
    )
  }),
).pipe(
  Command.withDescription(
    "Download results. Needs the permission Machine.Read.All or Machine.ReadWrite.All (apps), or Machine.LiveResponse (users). What is there already is skipped, and what was begun goes on where it stopped.",
  ),
  Command.withExamples([
    { command: "live-response download 988cc94e-7a8f-4b28-ab65-54970c5d5018:0", description: "One result" },
    { command: "live-response download --from targets.txt --out case-4711", description: "All of a list" },
    { command: "cut -f1 hunt.tsv | live-response download --from - --json | jq .event", description: "In a pipe" },
  ]),
)

/** The batch itself: all targets into the store, all events to the output. */
const batch = Effect.fnUntraced(function* (
  named: ReadonlyArray<ResultRef>,
  options: Output.Options & {
    readonly lists: ReadonlyArray<string>
    readonly retryFailed: boolean
    readonly concurrency: number
  },
) {
  const output = yield* Output.make(options)
  const live = yield* LiveResponse
  const manifest = yield* Manifest

  const failed = options.retryFailed ? yield* manifest.failed : []
  const targets = Stream.fromIterable([...named, ...failed]).pipe(
    Stream.concat(Stream.flatMap(Stream.fromIterable(options.lists), Targets.fromList)),
    Stream.tap(() =>
      Effect.sync(() => {
        output.view.named++
      }),
    ),
    Stream.concat(
      Stream.sync(() => {
        output.view.allNamed = true
      }).pipe(Stream.drain),
    ),
  )
  const refs = targets.pipe(
    Stream.mapEffect((target) =>
      Targets.isBadLine(target) ? Effect.as(output.badLine(target), []) : Effect.succeed([target]),
    ),
    Stream.flatMap(Stream.fromIterable),
  )

  yield* live.saveAll(refs, { concurrency: options.concurrency }).pipe(
    Stream.runForEach(output.event),
    Effect.onInterrupt(() =>
      Effect.sync(() => {
        output.view.interrupted = true
      }),
    ),
    Effect.ensuring(output.finish),
  )
  if (output.view.summary.failed > 0) return yield* Failure.someFailed
})
