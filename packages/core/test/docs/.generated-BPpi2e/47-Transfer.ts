// @effect-diagnostics globalConsole:off


































































import * as ResultRef from "@live-response/core/ResultRef"
import { Transfer } from "@live-response/core/Transfer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const ref = Schema.decodeSync(ResultRef.FromString)("988cc94e-7a8f-4b28-ab65-54970c5d5018:0")
export const size = Transfer.use((transfer) =>
  transfer.bytes(ref).pipe(Stream.runFold(() => 0, (sum, bytes) => sum + bytes.length)),
)
