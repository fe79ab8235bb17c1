/** Where the token of a workload may be sent. `packages/node/test/NodeObjectStore.test.ts` tests the answers over sockets. */
import { assert, describe, it } from "@effect/vitest"
import * as S3Keys from "@live-response/core/S3Keys"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { fileInfo } from "./support/fileInfo.ts"
import { scripted } from "./support/scripted.ts"

const tokenFile = "/run/secrets/token"

const files = FileSystem.layerNoop({
  readFile: () => Effect.succeed(new TextEncoder().encode("the-token-of-a-pod")),
  stat: () => Effect.succeed(fileInfo(18, { mode: 0o600 })),
})

const fromContainer = (endpoint: string) => S3Keys.fromContainer({ endpoint, tokenFile })

const fromWebIdentity = (endpoint: string) =>
  S3Keys.fromWebIdentity({ roleArn: "arn:aws:iam::1:role/collector", tokenFile, region: "eu-1", endpoint })

/** Asks for keys once. Returns how many requests were sent, and the error. */
const ask = Effect.fnUntraced(function* (source: ReturnType<typeof fromContainer>) {
  const { layer, requests } = scripted(HttpServerResponse.empty({ status: 403 }))
  const error = yield* source.pipe(
    Effect.flatMap(({ current }) => current),
    Effect.flip,
    Effect.provide([layer, files]),
  )
  return { sent: requests.length, message: error.message }
}, Effect.scoped)

const insecure = [
  "http://10.0.0.1/keys",
  "http://sts.amazonaws.com.example/",
  "http://169.254.169.254/latest",
  "http://169.254.170.2.example/keys",
  "http://[fd00:ec2::254]/keys",
  "http://user:secret@169.254.170.2/keys",
  "https://geheim/word@sts.amazonaws.com/",
  "ftp://169.254.170.2/keys",
  "169.254.170.2/keys",
]

const agents = ["http://169.254.170.2/v2/keys", "http://169.254.170.23/v1/keys", "http://[fd00:ec2:0::23]/v1/keys"]

describe("the token of a workload", () => {
  it.effect.each(insecure)("is sent to no agent at %s", (address) =>
    Effect.gen(function* () {
      const { message, sent } = yield* ask(fromContainer(address))
      assert.strictEqual(
        message,
        "no credential; AWS_CONTAINER_CREDENTIALS_FULL_URI is not an https URL without a user or a password (plain http is for 127.0.0.1, [::1], localhost, 169.254.170.2, 169.254.170.23, [fd00:ec2::23] alone)",
      )
      assert.strictEqual(sent, 0)
    }),
  )

  it.effect.each([...insecure, ...agents])("is sent to no token service at %s", (address) =>
    Effect.gen(function* () {
      const { message, sent } = yield* ask(fromWebIdentity(address))
      assert.strictEqual(
        message,
        "no credential; AWS_ENDPOINT_URL_STS is not an https URL without a user or a password (plain http is for 127.0.0.1, [::1], localhost alone)",
      )
      assert.strictEqual(sent, 0)
    }),
  )

  it.effect.each([...agents, "https://agent.example/keys", "http://127.0.0.1:8080/keys", "http://localhost/keys"])(
    "is sent to the agent at %s",
    (address) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* ask(fromContainer(address))).sent, 1)
      }),
  )

  it.effect.each(["https://sts.eu-1.amazonaws.com/", "http://[::1]:4566/"])(
    "is sent to the token service at %s",
    (address) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* ask(fromWebIdentity(address))).sent, 1)
      }),
  )
})
