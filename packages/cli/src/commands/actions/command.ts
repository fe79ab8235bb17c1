/**
 * `live-response actions`
 */
import { MachineActionId } from "@live-response/core/MachineAction"
import * as Permission from "@live-response/core/Permission"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Failure from "../../Failure.ts"
import * as Flags from "../../flags/Flags.ts"

/** Help and mistakes are answered before HTTP is loaded. */
const loadActions = Effect.promise(() => import("./handler.ts"))

type Actions = Effect.Success<typeof loadActions>

/** Runs it with the API that the flags choose. */
const withApi = Effect.fnUntraced(function* <E extends Parameters<typeof Failure.fromError>[0]>(
  options: Parameters<typeof Flags.signingIn>[0],
  use: (actions: Actions) => Effect.Effect<void, E, Effect.Services<ReturnType<Actions["get"]>>>,
) {
  const environment = yield* Flags.signingIn(options)
  const actions = yield* loadActions
  yield* Effect.provide(use(actions), Layer.provide(actions.layer, environment))
}, Effect.mapError(Failure.fromError))

const id = Argument.String("id").pipe(
  Argument.withSchema(MachineActionId),
  Argument.withMetavar("ID"),
  Argument.withDescription("The machine action's id"),
)

const needs = (permission: Permission.Permission) => `Needs the permission ${Permission.describe(permission)}.`

const list = Command.make(
  "list",
  {
    ...Flags.selection,
    limit: Flag.Int("limit").pipe(
      Flags.between(1, 10_000_000),
      Flag.optional,
      Flag.withMetavar("N"),
      Flag.withDescription("So many at most"),
    ),
    ...Flags.signIn,
    json: Flags.toggle("json", "Print a line of JSON for each"),
  },
  (options) => withApi(options, (actions) => actions.list(options, options)),
).pipe(
  Command.withDescription(`Show machine actions, a line each as they come. ${needs(Permission.actions)}`),
  Command.withExamples([
    { command: "live-response actions list --since 24h --type LiveResponse", description: "The sessions of a day" },
    { command: "live-response actions list --status Failed --json | jq .id", description: "In a pipe" },
  ]),
)

const get = Command.make(
  "get",
  { id, ...Flags.signIn, json: Flags.toggle("json", "Print one JSON object") },
  (options) => withApi(options, (actions) => actions.get(options.id, options.json)),
).pipe(Command.withDescription(`Show one machine action and its commands. ${needs(Permission.actions)}`))

const wait = Command.make(
  "wait",
  { id, ...Flags.signIn, json: Flags.toggle("json", "Print one JSON object") },
  (options) => withApi(options, (actions) => actions.wait(options.id, options.json)),
).pipe(
  Command.withDescription(
    `Wait until a machine action is over, and show it; the exit code is 0 where it succeeded, else 1. ${needs(Permission.actions)}`,
  ),
)

const cancel = Command.make(
  "cancel",
  {
    id,
    comment: Flag.String("comment").pipe(
      Flag.withMetavar("TEXT"),
      Flag.withDescription("Why: it is kept with the action"),
    ),
    ...Flags.signIn,
    json: Flags.toggle("json", "Print one JSON object"),
  },
  (options) => withApi(options, (actions) => actions.cancel(options.id, options)),
).pipe(Command.withDescription(`Cancel a machine action that is not over. ${needs(Permission.run)}`))

export const actions = Command.make("actions").pipe(
  Command.withDescription("Find machine actions, wait for them, cancel them"),
  Command.withSubcommands([list, get, wait, cancel]),
)
