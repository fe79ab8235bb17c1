/**
 * `live-response actions`
 */
import { MachineActionId } from "@live-response/core/MachineAction"
import * as Permission from "@live-response/core/Permission"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { withApi } from "../../api/WithApi.ts"
import * as FlagTypes from "../../flags/FlagTypes.ts"
import * as Printing from "../../flags/Printing.ts"
import * as Selection from "../../flags/Selection.ts"
import * as SignIn from "../../flags/SignIn.ts"

/** Help and usage errors do not load what calls the API. */
const loadHandler = Effect.promise(() => import("./handler.ts"))

const run = withApi(loadHandler)

const id = Argument.String("id").pipe(
  Argument.withSchema(MachineActionId),
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
    json: FlagTypes.toggle("json", "Print a line of JSON for each action"),
  },
  (options) => run(options, (handler) => handler.list(options, options)),
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
    id,
    comment: Flag.String("comment").pipe(
      Flag.withMetavar("TEXT"),
      FlagTypes.describe("The reason, which is stored with the action (required)"),
    ),
    ...SignIn.flags,
    json: Printing.json,
  },
  (options) => run(options, (handler) => handler.cancel(options.id, options)),
).pipe(Command.withDescription(`Cancel a machine action that has not finished. ${needs(Permission.run)}`))

export const actions = Command.make("actions").pipe(
  Command.withDescription("List, show, wait for and cancel machine actions"),
  Command.withSubcommands([list, get, wait, cancel]),
)
