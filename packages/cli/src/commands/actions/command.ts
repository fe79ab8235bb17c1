/**
 * `live-response actions`
 */
import { MachineActionId } from "@live-response/core/MachineAction"
import * as Permission from "@live-response/core/Permission"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { withApi } from "../../api/WithApi.ts"
import * as Failure from "../../Failure.ts"
import * as FlagTypes from "../../flags/FlagTypes.ts"
import * as Printing from "../../flags/Printing.ts"
import * as Selection from "../../flags/Selection.ts"
import * as SignIn from "../../flags/SignIn.ts"
import * as Yes from "../../flags/Yes.ts"

/** Help and usage errors do not load what calls the API. */
const loadHandler = Effect.promise(() => import("./handler.ts"))

const run = withApi(loadHandler)

const id = Argument.String("id").pipe(
  Argument.filterMap(
    Schema.decodeOption(MachineActionId),
    () => "the id of a machine action, such as 988cc94e-7a8f-4b28-ab65-54970c5d5018",
  ),
  Argument.withMetavar("ID"),
  Argument.withDescription("The machine action's id"),
)

const needs = (permission: Permission.Permission) => `Needs the permission ${Permission.describe(permission)}.`

const list = Command.make(
  "list",
  {
    ...Selection.flags,
    limit: Flag.Int("limit").pipe(
      FlagTypes.between(1, 10_000_000),
      Flag.optional,
      Flag.withMetavar("N"),
      FlagTypes.describe("The largest number of actions to list", {
        values: FlagTypes.range(1, 10_000_000),
        default: "all",
      }),
    ),
    ...SignIn.flags,
    ...Printing.rows("action"),
  },
  Effect.fnUntraced(function* (options) {
    const format = yield* Printing.formatOf(options)
    yield* run(options, (handler) => handler.list(options, { ...options, format }))
  }),
).pipe(
  Command.withDescription(`List machine actions, one line each. ${needs(Permission.actions)}`),
  Command.withExamples([
    { command: "live-response actions list --since 24h --type LiveResponse", description: "The sessions of a day" },
    { command: "live-response actions list --status Failed --json | jq .id", description: "In a pipe" },
  ]),
)

const get = Command.make("get", { id, ...SignIn.flags, json: Printing.json }, (options) =>
  run(options, (handler) => handler.get(options.id, options.json)),
).pipe(Command.withDescription(`Show one machine action and its commands. ${needs(Permission.actions)}`))

const wait = Command.make("wait", { id, ...SignIn.flags, json: Printing.json }, (options) =>
  run(options, (handler) => handler.wait(options.id, options.json)),
).pipe(
  Command.withDescription(
    `Wait until a machine action has finished, and show it. Exits with 0 if it succeeded, else with 1. ${needs(Permission.actions)}`,
  ),
)

const cancel = Command.make(
  "cancel",
  {
    id: id.pipe(Argument.optional),
    allPending: FlagTypes.toggle(
      "all-pending",
      "Cancel every pending live response session; the flags of a selection choose among them, or another --status or --type",
    ),
    ...Selection.flags,
    comment: Flag.String("comment").pipe(
      Flag.withMetavar("TEXT"),
      FlagTypes.describe("The reason, which is stored with the action (required)"),
    ),
    yes: Yes.flag("cancel all of them"),
    ...SignIn.flags,
    json: FlagTypes.toggle("json", "Print a JSON object for each action, in one line"),
  },
  Effect.fnUntraced(function* (options) {
    const { allPending, id } = options
    if (Option.isSome(id) === allPending) {
      return yield* Failure.usage("name the ID of one action, or use --all-pending")
    }
    if (Option.isSome(id) && Selection.isSelecting(options)) {
      return yield* Failure.usage("flags that select actions need --all-pending; leave them out to cancel one action")
    }
    yield* run(options, (handler) =>
      Option.isSome(id) ? handler.cancel(id.value, options) : handler.cancelAll(options, options),
    )
  }),
).pipe(
  Command.withDescription(`Cancel machine actions that have not finished. ${needs(Permission.run)}`),
  Command.withExamples([
    {
      command: "live-response actions cancel --all-pending --requestor soc@contoso.com --comment 'wrong script'",
      description: "All sessions of a user that have not started",
    },
  ]),
)

export const actions = Command.make("actions").pipe(
  Command.withDescription("List, show, wait for and cancel machine actions"),
  Command.withSubcommands([list, get, wait, cancel]),
)
