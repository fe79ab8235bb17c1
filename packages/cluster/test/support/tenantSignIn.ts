/** A runner that signs in to one tenant, and prints the claims of its token, or the error. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { CredentialReference } from "@live-response/cluster/CredentialReference"
import * as TenantCredentials from "@live-response/cluster/TenantCredentials"
import * as AccessToken from "@live-response/core/AccessToken"
import { Credential } from "@live-response/core/Credential"
import * as NodePlatform from "@live-response/node/NodePlatform"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const [tenant = "", authority = "", reference = ""] = process.argv.slice(2)
const credential = Schema.decodeUnknownSync(Schema.fromJsonString(CredentialReference))(reference)
const cloud = { authority, audience: "https://api.example" }

const program = Effect.gen(function* () {
  const { layerOf } = yield* TenantCredentials.TenantCredentials
  const token = yield* Effect.provide(
    Credential.use(({ token }) => token),
    layerOf({ tenant, cloud, credential }),
  )
  const { appid, aud, tid } = Option.getOrThrow(AccessToken.claims(token))
  yield* Console.log(JSON.stringify({ appid, aud, tid }))
}).pipe(
  Effect.catchTag("CredentialError", (error) =>
    Console.log(JSON.stringify({ error: error.reason._tag, message: error.message })),
  ),
  Effect.provide(
    TenantCredentials.layerConfig.pipe(
      Layer.provideMerge([NodeFileSystem.layer, NodePath.layer, NodePlatform.layer]),
      // Standard output is for the answer.
      Layer.provideMerge(Logger.layer([Logger.withConsoleError(Logger.formatSimple)])),
    ),
  ),
)

await Effect.runPromise(program)
process.exit()
