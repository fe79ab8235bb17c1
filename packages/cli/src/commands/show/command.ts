/**
 * `live-response show`
 */
import * as Permission from "@live-response/core/Permission"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Arguments from "../../flags/Arguments.ts"
import * as Failure from "../../Failure.ts"
import * as Flags from "../../flags/Flags.ts"

/** Help and mistakes are answered before HTTP and files are loaded. */
const loadShow = Effect.promise(() => import("./handler.ts"))

export const show = Command.make(
  "show",
  {
    result: Arguments.result,
    errors: Flags.toggle("errors", "Print the script's errors instead of its output"),
    raw: Flags.toggle("raw", "Print the bytes as they were served, whatever they are: for a file, or a pipe"),
    json: Flags.toggle("json", "Print one JSON object, with output, errors and exit code"),
    directory: Flags.directory,
    ...Flags.signIn,
    ...Flags.links,
  },
  Effect.fnUntraced(function* (options) {
    if ([options.errors, options.raw, options.json].filter(Boolean).length > 1) {
      return yield* Failure.usage("choose one of --errors, --raw and --json")
    }
    if (options.raw && process.stdout.isTTY) {
      return yield* Failure.usage(
        "--raw is not for a terminal, which would obey what is in it; add > FILE, or leave --raw out",
      )
    }
    const environment = yield* Flags.signingIn(options)
    const Show = yield* loadShow
    yield* Effect.provide(Show.print(options.result, options), environment)
  }),
).pipe(
  Command.withShortDescription("Show what a script printed"),
  Command.withDescription(
    `Show what a script printed, safe for a terminal. It is read from the directory of results where a download left it there, without any sign-in; else it is fetched, and not kept: that needs the permission ${Permission.describe(Permission.results)}.`,
  ),
  Command.withExamples([
    { command: "live-response show 988cc94e-7a8f-4b28-ab65-54970c5d5018:0 | less", description: "A script's output" },
    {
      command: "live-response show 988cc94e-7a8f-4b28-ab65-54970c5d5018:1 --raw > sample.gz",
      description: "A collected file, as it is",
    },
  ]),
)
