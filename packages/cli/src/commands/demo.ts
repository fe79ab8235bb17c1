/**
 * `live-response demo`
 */
import * as Command from "effect/cli/Command"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { exitCode, Failure, machine } from "../Failure.ts"
import * as Flags from "../Flags.ts"
import { printable } from "../Printable.ts"
import { download } from "./download.ts"

/** Slow enough to be watched. */
const latency = Effect.sleep("250 millis")

/** The server is loaded when it is wanted: no other command pays for it. */
const loadSample = Effect.promise(() => import("../Sample.ts"))

export const demo = Command.make(
  "demo",
  { directory: Flags.directory },
  Effect.fnUntraced(function* ({ directory }) {
    const Sample = yield* loadSample
    const results = Sample.results(60)
    const endpoint = yield* Sample.serve(results, { port: 0, latency })
    const list = yield* writeList([...results.map(({ ref }) => String(ref)), String(Sample.missing)])

    yield* Console.log(
      [
        `A simulated Defender API serves ${results.length} results at ${endpoint}.`,
        "One link is dead on arrival, one body breaks twice, one call is answered with 429, one with 503,",
        "and one of the targets does not exist. This is what runs now:",
        "",
        `  live-response download --from ${list} --out ${printable(directory)} --endpoint ${endpoint} -j 4`,
        "",
      ].join("\n"),
    )
    const args = ["--from", list, "--out", directory, "--endpoint", endpoint, "-j", "4"]
    yield* Command.runWith(download, { version: "" })(args).pipe(
      Effect.provide(
        ConfigProvider.layerAdd(ConfigProvider.fromUnknown({ LIVE_RESPONSE_TOKEN: Sample.token }), { asPrimary: true }),
      ),
      // The missing target fails, as it must.
      Effect.catchIf(
        (error) => error instanceof Failure && error.code === exitCode.someFailed,
        () => Effect.void,
      ),
    )
    yield* Console.log(
      [
        "",
        "The one that failed is the target that does not exist. Try next:",
        "",
        "  npm start                               nothing is fetched twice",
        `  cat ${printable(directory)}/manifest.jsonl    what came, with its SHA-256`,
        "  npx live-response download --help       the same with your tenant",
        "  npx live-response simulate              the simulator alone, for your own programs",
      ].join("\n"),
    )
  }, Effect.scoped),
).pipe(Command.withDescription("Download a batch from the simulated service: everything that can go wrong does"))

/** A list of targets, as somebody would write it. */
const writeList = Effect.fnUntraced(
  function* (targets: ReadonlyArray<string>) {
    const fs = yield* FileSystem.FileSystem
    const path = (yield* Path.Path).join(yield* fs.makeTempDirectoryScoped({ prefix: "live-response-" }), "targets.txt")
    yield* fs.writeFileString(path, `# The targets of the demonstration\n${targets.join("\n")}\n`)
    return path
  },
  Effect.mapError((error) => machine(`can't write a list of targets: ${printable(error.message)}`)),
)
