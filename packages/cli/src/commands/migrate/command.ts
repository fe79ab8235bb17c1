/**
 * `live-response migrate`
 */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as FlagTypes from "../../flags/FlagTypes.ts"
import * as Printing from "../../flags/Printing.ts"

/** Help and usage errors do not load what speaks to PostgreSQL. */
const loadHandler = Effect.promise(() => import("./handler.ts"))

export const migrate = Command.make(
  "migrate",
  {
    runtimeRole: FlagTypes.text("runtime-role").pipe(
      Flag.optional,
      Flag.withMetavar("ROLE"),
      FlagTypes.describe("The role that runners sign in with: it may read and write rows, and change no table"),
    ),
    dryRun: FlagTypes.toggle("dry-run", "Print the steps that would be taken, and change nothing"),
    json: Printing.json,
  },
  Effect.fnUntraced(function* (options) {
    const handler = yield* loadHandler
    yield* handler.migrate(options)
  }),
).pipe(
  Command.withShortDescription("Bring the database of a cluster to the schema of this release"),
  Command.withDescription(
    "Bring the PostgreSQL database of a cluster to the schema of this release, as the role that owns it: LIVE_RESPONSE_DATABASE_URL. All steps are one transaction, and only go forward. Run it before the runners of a new release start.",
  ),
  Command.withExamples([
    {
      command: "live-response migrate --runtime-role runner",
      description: "The first time: creates the tables, and lets runners use them",
    },
    { command: "live-response migrate --dry-run", description: "What an update would change" },
  ]),
)
