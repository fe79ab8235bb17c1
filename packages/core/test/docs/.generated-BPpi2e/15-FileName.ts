// @effect-diagnostics globalConsole:off




















































import * as FileName from "@live-response/core/FileName"
import { ResultRef } from "@live-response/core/ResultRef"
import * as Schema from "effect/Schema"

const ref = Schema.decodeSync(ResultRef)({ machineActionId: "988cc94e-7a8f-4b28-ab65-54970c5d5018", index: 0 })
console.log(FileName.ofResult(ref, "json")) // 988cc94e-7a8f-4b28-ab65-54970c5d5018/0.json
