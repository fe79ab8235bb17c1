/**
 * `live-response stack`
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Directory from "../../flags/Directory.ts"
import * as FlagTypes from "../../flags/FlagTypes.ts"
import * as Printing from "../../flags/Printing.ts"

/** Help and usage errors do not load what reads results. */
const loadHandler = Effect.promise(() => import("./handler.ts"))

const defaultLimit = 50

const mostGroups = 1_000_000

export const stack = Command.make(
  "stack",
  {
    ...Directory.parameters,
    by: FlagTypes.text("by").pipe(
      Flag.withDefault("output"),
      Flag.withMetavar("KEY"),
      FlagTypes.describe("What to group by", {
        values: "exit_code, first-line, output, errors, script, sha256, or .FIELD of JSON, CSV or Format-List output",
        default: "output",
      }),
    ),
    script: FlagTypes.text("script").pipe(
      Flag.optional,
      Flag.withMetavar("NAME"),
      FlagTypes.describe("Only the results of this script"),
    ),
    limit: FlagTypes.wholeNumber("limit", 1, mostGroups).pipe(
      Flag.withDefault(defaultLimit),
      FlagTypes.describe("How many groups a table has", {
        values: FlagTypes.range(1, mostGroups),
        default: defaultLimit,
      }),
    ),
    ...Printing.rows("group", "table"),
  },
  Effect.fnUntraced(function* (options) {
    const handler = yield* loadHandler
    yield* handler.print(yield* Directory.given(options), { ...options, format: yield* Printing.formatOf(options) })
  }),
).pipe(
  Command.withShortDescription("Group script results that are alike, the rarest first"),
  Command.withDescription(
    "Group the script results in a directory that are alike, the group on the fewest machines first: on a thousand machines, the odd one out is what a hunter searches for. By default they are grouped by their output, without what differs between machines that are alike: white space, dates with times, and the machine's own name. Makes no API call. A download may be in progress in the directory.",
  ),
  Command.withExamples([
    { command: "live-response stack case-4711", description: "Outputs that few machines have" },
    { command: "live-response stack case-4711 --by .Path", description: "The field Path of each output" },
    {
      command: "live-response stack case-4711 --by exit_code --json | jq 'select(.value != \"0\").machines[]'",
      description: "Machines on which the script failed",
    },
  ]),
)
