// @effect-diagnostics globalConsole:off




























































import * as Machine from "@live-response/core/Machine"
import * as Schema from "effect/Schema"

const machine = Schema.decodeUnknownSync(Machine.FromApi)({
  id: "1e5bc9d7e413ddd7902c2932e418702b84d0cc07",
  computerDnsName: "mymachine1.contoso.com",
  lastSeen: "2018-08-02T14:55:03.7791856Z",
})
console.log(machine.computerDnsName) // mymachine1.contoso.com
