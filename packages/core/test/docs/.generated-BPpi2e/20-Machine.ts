// @effect-diagnostics globalConsole:off































import * as Machine from "@live-response/core/Machine"
import * as Result from "effect/Result"

const machine = Machine.fromApi({ id: "1e5bc9d7e413ddd7902c2932e418702b84d0cc07", computerDnsName: null })
console.log(Result.isSuccess(machine)) // true
