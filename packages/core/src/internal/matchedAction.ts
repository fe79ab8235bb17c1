/** What is shown of the action in a line that `ActionLineForm` has matched, at a tenth of what the schema costs. */
import * as Predicate from "effect/Predicate"
import { type Brief, MachineActionId } from "../MachineAction.ts"
import * as Lenient from "./lenientFields.ts"
import { instant, number, objectIn, text } from "./matchedMembers.ts"

const paramsOf = (value: unknown): Record<string, string> =>
  Predicate.isReadonlyObject(value)
    ? Object.fromEntries(Object.keys(value).map((name) => [name, text(value, name) ?? ""]))
    : {}

const commandOf = (value: unknown): Brief["commands"][number] => {
  const command = Predicate.isReadonlyObject(value) ? value : {}
  return {
    index: number(command, "index") ?? 0,
    type: text(command, "type") ?? "",
    params: paramsOf(command["params"]),
    errors: Lenient.items(command["errors"]).map(String),
  }
}

export const brief = (line: Uint8Array): Brief | undefined => {
  const value = objectIn(line)
  const id = value && text(value, "id")
  if (value === undefined || id === undefined) return undefined
  return {
    id: MachineActionId.make(id, { disableChecks: true }),
    status: text(value, "status") ?? "",
    ...Lenient.present({
      machineId: text(value, "machineId"),
      computerDnsName: text(value, "computerDnsName"),
      requestor: text(value, "requestor"),
      requestorComment: text(value, "requestorComment"),
      created: instant(value, "created"),
      updated: instant(value, "updated"),
    }),
    commands: Lenient.items(value["commands"]).map(commandOf),
  }
}
