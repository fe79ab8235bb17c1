/**
 * `live-response runs`
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as FlagTypes from "../../flags/FlagTypes.ts"
import * as Printing from "../../flags/Printing.ts"

/** Help and usage errors do not load what speaks to PostgreSQL. */
const loadHandler = Effect.promise(() => import("./handler.ts"))

const id = Argument.String("id").pipe(
  Argument.withMetavar("ID"),
  Argument.withDescription("The id of the run, as run --cluster and runs list print it"),
)

const list = Command.make(
  "list",
  {
    tenant: Flag.String("tenant").pipe(
      Flag.optional,
      Flag.withMetavar("TENANT"),
      FlagTypes.describe("Only runs of this tenant: its id in Entra, or its name in the registry", { default: "all" }),
    ),
    limit: FlagTypes.wholeNumber("limit", 1, 10_000).pipe(
      Flag.withDefault(100),
      FlagTypes.describe("The largest number of runs to list", { values: FlagTypes.range(1, 10_000), default: 100 }),
    ),
    ...Printing.rows("run"),
  },
  Effect.fnUntraced(function* (options) {
    const format = yield* Printing.formatOf(options)
    const handler = yield* loadHandler
    yield* handler.list({ ...options, format })
  }),
).pipe(Command.withDescription("List the runs of the cluster, the newest first, one line each."))

const watch = Command.make(
  "watch",
  { id, ...Printing.flags, ...Printing.progress },
  Effect.fnUntraced(function* (options) {
    const handler = yield* loadHandler
    yield* handler.watch(options.id, options)
  }),
).pipe(
  Command.withDescription(
    "Show what a run did and does, from its start until it has finished. Ctrl-C only stops watching. The exit codes are those of run.",
  ),
)

const cancel = Command.make(
  "cancel",
  { id, json: Printing.json },
  Effect.fnUntraced(function* (options) {
    const handler = yield* loadHandler
    yield* handler.cancel(options.id, options)
  }),
).pipe(
  Command.withDescription(
    "End a run: no further session starts, and no further result is downloaded. Sessions in progress continue on their machines; live-response actions cancel ends those.",
  ),
)

export const runs = Command.make("runs").pipe(
  Command.withShortDescription("List, watch and cancel runs that were given to a cluster"),
  Command.withDescription(
    "List, watch and cancel runs that were given to a cluster with run --cluster. They are in PostgreSQL, at LIVE_RESPONSE_DATABASE_URL, so any machine that reaches it will do.",
  ),
  Command.withExamples([
    { command: "live-response runs list --tenant contoso", description: "The newest runs of a tenant" },
    {
      command: "live-response runs watch 7d7f6a30-1f0e-4a57-9f5a-1f0f7b0c2d11",
      description: "What a run does, from any machine",
    },
  ]),
  Command.withSubcommands([list, watch, cancel]),
)
