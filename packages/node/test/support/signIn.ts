/**
 * A program that signs in with the credential in its environment. Its arguments are steps: `token` requests a token, `refused`
 * reports that the API refused the last token, `later` sets the program's clock forward by an hour. It prints a line of JSON for
 * each token, or for the error that stopped it. With `linger` it does not exit explicitly, so a request that was abandoned but
 * is still open would keep it running.
 */
import * as AccessToken from "@live-response/core/AccessToken"
import { Credential } from "@live-response/core/Credential"
import * as NodeCredential from "@live-response/node/NodeCredential"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

/** A clock that can be set forward. MSAL and Effect both read it. */
const RealDate = Date
let hours = 0
const now = () => performance.timeOrigin + performance.now() + hours * 3_600_000
globalThis.Date = new Proxy(RealDate, {
  construct: (date, args) => Reflect.construct(date, args.length === 0 ? [now()] : args),
  get: (date, name) => (name === "now" ? now : Reflect.get(date, name)),
})

const program = Effect.gen(function* () {
  const credential = yield* Credential
  let last = Redacted.make("")
  for (const step of process.argv.slice(2)) {
    if (step === "refused") {
      yield* credential.invalidate(last)
    } else if (step === "later") {
      hours++
    } else if (step === "token") {
      last = yield* credential.token
      const token = Redacted.value(last)
      yield* Console.log(JSON.stringify({ token, claims: Option.getOrUndefined(AccessToken.claims(last)) }))
    }
  }
}).pipe(
  Effect.provide(NodeCredential.layerConfig),
  Effect.catchTag("CredentialError", (error) =>
    Console.log(JSON.stringify({ error: error.reason._tag, message: error.message })),
  ),
)

await Effect.runPromise(program)
// An abandoned request must not keep the program running.
if (!process.argv.includes("linger")) process.exit()
