// @effect-diagnostics globalConsole:off
























import { ResultRef } from "@live-response/core/ResultRef"
import * as Schema from "effect/Schema"

const ref = Schema.decodeSync(ResultRef)({ machineActionId: "988CC94E-7A8F-4B28-AB65-54970C5D5018", index: 0 })
console.log(String(ref)) // 988cc94e-7a8f-4b28-ab65-54970c5d5018:0
