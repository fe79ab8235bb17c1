/**
 * `live-response show`
 */
import * as Permission from "@live-response/core/Permission"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Failure from "../../Failure.ts"
import * as Directory from "../../flags/Directory.ts"
import * as FlagTypes from "../../flags/FlagTypes.ts"
import * as SignIn from "../../flags/SignIn.ts"
import * as ResultArgument from "../../input/ResultArgument.ts"

/** Help and usage errors do not load what calls the API. */
const loadHandler = Effect.promise(() => import("./handler.ts"))

export const show = Command.make(
  "show",
  {
    result: ResultArgument.argument,
    errors: FlagTypes.toggle("errors", "Print the script's errors instead of its output"),
    raw: FlagTypes.toggle("raw", "Print the bytes of the result unchanged, to a file or a pipe"),
    json: FlagTypes.toggle("json", "Print one JSON object with output, errors and exit code"),
    directory: Directory.out,
    ...SignIn.flags,
    ...SignIn.storageHosts,
  },
  Effect.fnUntraced(function* (options) {
    if ([options.errors, options.raw, options.json].filter(Boolean).length > 1) {
      return yield* Failure.usage("choose one of --errors, --raw and --json")
    }
    if (options.raw && process.stdout.isTTY) {
      return yield* Failure.usage(
        "--raw could print control characters to the terminal; add > FILE, or leave --raw out",
      )
    }
    const environment = yield* SignIn.environment(options)
    const handler = yield* loadHandler
    yield* Effect.provide(handler.print(options.result, options), environment)
  }),
).pipe(
  Command.withShortDescription("Show the output of a script"),
  Command.withDescription(
    `Show the output of a script, safe for a terminal. It is read from the directory of results if it was downloaded there, without signing in; else it is fetched, but not stored, which needs the permission ${Permission.describe(Permission.results)}.`,
  ),
  Command.withExamples([
    { command: "live-response show 988cc94e-7a8f-4b28-ab65-54970c5d5018:0 | less", description: "A script's output" },
    {
      command: "live-response show 988cc94e-7a8f-4b28-ab65-54970c5d5018:1 --raw > sample.gz",
      description: "A collected file, unchanged",
    },
  ]),
)
