/**
 * `live-response simulate`
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Flags from "../../flags/Flags.ts"

/** The server is loaded when it is wanted: no other command pays for it. */
const loadSampleService = Effect.promise(() => import("../demo/sampleService.ts"))

export const simulate = Command.make(
  "simulate",
  {
    port: Flag.Int("port").pipe(
      Flag.withDefault(0),
      Flags.between(0, 65_535),
      Flag.withMetavar("N"),
      Flag.withDescription("Port on 127.0.0.1; by default a free one"),
    ),
    results: Flag.Int("results").pipe(
      Flag.withDefault(60),
      Flags.between(1, 100_000),
      Flag.withMetavar("N"),
      Flag.withDescription("How many results there are"),
    ),
    machines: Flag.Int("machines").pipe(
      Flag.withDefault(12),
      Flags.between(0, 100_000),
      Flag.withMetavar("N"),
      Flag.withDescription("How many machines there are that sessions can run on"),
    ),
    ...Flags.accepted,
    linkLifetime: Flag.Int("link-lifetime").pipe(
      Flag.withDefault(1800),
      Flags.between(0, 86_400),
      Flag.withMetavar("SECONDS"),
      Flag.withDescription("How long a link is good"),
    ),
  },
  Effect.fnUntraced(function* (options) {
    const SampleService = yield* loadSampleService
    const results = SampleService.results(options.results)
    const machines = SampleService.machines(options.machines)
    const address = yield* SampleService.serve(results, {
      ...options,
      machines,
      commandTime: "5 seconds",
      linkLifetime: Duration.seconds(options.linkLifetime),
    })
    yield* Console.log(
      [
        `The simulator serves ${results.length} results at ${address}. In another terminal:`,
        "",
        `  export LIVE_RESPONSE_ENDPOINT=${address} LIVE_RESPONSE_TOKEN=${SampleService.token}`,
        `  npx live-response download ${results[0]?.ref.machineActionId}:0-5 ${SampleService.missing}`,
        ...machines.slice(0, 1).map(({ id }) => `  npx live-response run ${id} --script collect.ps1 --download case-1`),
        "",
        "Ctrl-C ends it.",
      ].join("\n"),
    )
    return yield* Effect.never
  }, Effect.scoped),
).pipe(
  Command.withShortDescription("Serve the simulated service, to try this program without a tenant"),
  Command.withDescription("Serve the simulated service on 127.0.0.1, to try this program without a tenant"),
)
