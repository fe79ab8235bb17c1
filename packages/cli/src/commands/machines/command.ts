/**
 * `live-response machines`
 */
import * as Permission from "@live-response/core/Permission"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { withApi } from "../../api/WithApi.ts"
import * as MachineSelection from "../../flags/MachineSelection.ts"
import * as Printing from "../../flags/Printing.ts"
import * as SignIn from "../../flags/SignIn.ts"

const run = withApi(Effect.promise(() => import("./handler.ts")))

const list = Command.make(
  "list",
  {
    ...MachineSelection.flags,
    ...SignIn.flags,
    ...Printing.rows("machine"),
  },
  Effect.fnUntraced(function* (options) {
    const format = yield* Printing.formatOf(options)
    yield* run(options, (handler) => handler.list(options, format))
  }),
).pipe(
  Command.withDescription(
    `List machines that Defender has seen in the last 30 days, one line each. run takes the same flags. Needs the permission ${Permission.describe(Permission.machines)}.`,
  ),
  Command.withExamples([
    { command: "live-response machines list --tag incident-42 --os Windows11", description: "By tag and system" },
    { command: "live-response machines list --name 'ws-*' --last-seen 24h --json", description: "By name, as JSON" },
  ]),
)

export const machines = Command.make("machines").pipe(
  Command.withDescription("List machines by tag, group, operating system, health, risk or name"),
  Command.withSubcommands([list]),
)
