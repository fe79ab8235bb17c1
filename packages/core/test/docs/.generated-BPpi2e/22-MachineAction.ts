// @effect-diagnostics globalConsole:off




















import * as MachineAction from "@live-response/core/MachineAction"
import * as Schema from "effect/Schema"

const id = Schema.decodeSync(MachineAction.MachineActionId)("988CC94E-7A8F-4B28-AB65-54970C5D5018")
console.log(id) // 988cc94e-7a8f-4b28-ab65-54970c5d5018
