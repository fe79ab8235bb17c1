/** Object stores by their URLs, with credentials from the environment. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as ObjectStore from "@live-response/core/ObjectStore"
import * as ObjectStoreUrl from "@live-response/core/ObjectStoreUrl"
import * as NodeObjectStore from "@live-response/node/NodeObjectStore"
import * as ConfigProvider from "effect/ConfigProvider"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { containerSignature, emptyContainer } from "./support/azurite.ts"
import { listen } from "./support/loopbackServer.ts"
import { contentOf, readAll } from "./support/ObjectStoreSuite.ts"
import { bucket, keys, region, S3, serveS3 } from "./support/s3Simulator.ts"
import { patterned, tempDirectory } from "./support/samples.ts"

const content = contentOf(patterned(5000))

/** Stores and reads an object in the store of a URL. */
const roundTrip = (url: string, environment: Record<string, string>) =>
  Effect.gen(function* () {
    const { address, put } = yield* ObjectStore.ObjectStore
    const outcome = yield* put("tenant/a/0.bin", content)
    assert.strictEqual((yield* readAll("tenant/a/0.bin")).length, 5000)
    return { address, outcome }
  }).pipe(
    Effect.provide(
      NodeObjectStore.layer(Result.getOrThrow(ObjectStoreUrl.parse(url))).pipe(
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(environment))),
      ),
    ),
  )

const inAnHour = DateTime.addDuration(DateTime.nowUnsafe(), "1 hour")

describe("NodeObjectStore.layer", () => {
  it.live("stores in a directory", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      assert.deepStrictEqual(yield* roundTrip(`file://${directory}`, {}), {
        address: `file://${directory}`,
        outcome: "stored",
      })
    }).pipe(Effect.scoped),
  )

  it.live("stores in Azure with the key of the account, or with a signature from a file", () =>
    Effect.gen(function* () {
      const { account, key, origin } = yield* emptyContainer
      const url = `azure://${account}/results/a/b?endpoint=${origin}/${account}`
      const first = yield* roundTrip(url, { LIVE_RESPONSE_OBJECT_STORE_SECRET: key })
      assert.deepStrictEqual(first, { address: `${origin}/${account}/results/a/b`, outcome: "stored" })
      const file = join(yield* tempDirectory, "signature")
      writeFileSync(file, `?${containerSignature("rcw", inAnHour)}\n`, { mode: 0o600 })
      assert.strictEqual((yield* roundTrip(url, { LIVE_RESPONSE_OBJECT_STORE_SECRET_FILE: file })).outcome, "same")
    }).pipe(Effect.scoped),
  )

  it.live("stores in S3 with keys, from their variables or from a file", () =>
    Effect.gen(function* () {
      const { endpoint } = yield* serveS3()
      const url = `s3://${bucket}/a?region=${region}&endpoint=${endpoint}`
      const { accessKeyId, secretAccessKey } = keys
      const variables = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey }
      assert.strictEqual((yield* roundTrip(url, variables)).outcome, "stored")
      const file = join(yield* tempDirectory, "keys")
      writeFileSync(file, `${accessKeyId}:${secretAccessKey}\n`, { mode: 0o600 })
      assert.strictEqual((yield* roundTrip(url, { LIVE_RESPONSE_OBJECT_STORE_SECRET_FILE: file })).outcome, "same")
    }).pipe(Effect.scoped),
  )

  it.live("stores in S3 with the role of a pod: for the token of its cluster, or from the agent beside it", () =>
    Effect.gen(function* () {
      const { endpoint, s3 } = yield* serveS3()
      const asked: Array<{ readonly body: string; readonly authorization: string | undefined }> = []
      const expires = DateTime.formatIso(inAnHour)
      const { accessKeyId, secretAccessKey } = keys
      // The token service of Amazon answers with a document, and the agent of a container with JSON.
      const service = yield* listen((request, response) => {
        let body = ""
        request.on("data", (data: Buffer) => (body += data.toString()))
        request.on("end", () => {
          asked.push({ body, authorization: request.headers.authorization })
          const isAgent = request.method === "GET"
          if (!isAgent && !body.includes("WebIdentityToken=the-token-of-a-pod")) {
            response.writeHead(403).end(`<Error><Code>AccessDenied</Code><Message>not ${body}</Message></Error>`)
            return
          }
          response.end(
            isAgent
              ? JSON.stringify({
                  AccessKeyId: accessKeyId,
                  SecretAccessKey: secretAccessKey,
                  Token: "session",
                  Expiration: expires,
                })
              : `<Credentials><AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${secretAccessKey}</SecretAccessKey><SessionToken>session</SessionToken><Expiration>${expires}</Expiration></Credentials>`,
          )
        })
      })
      const file = join(yield* tempDirectory, "token")
      writeFileSync(file, "the-token-of-a-pod\n", { mode: 0o600 })
      const url = `s3://${bucket}/a?region=${region}&endpoint=${endpoint}`
      const role = {
        AWS_ROLE_ARN: "arn:aws:iam::1:role/collector",
        AWS_WEB_IDENTITY_TOKEN_FILE: file,
        AWS_ENDPOINT_URL_STS: service,
      }
      assert.strictEqual((yield* roundTrip(url, role)).outcome, "stored")
      const agent = {
        AWS_CONTAINER_CREDENTIALS_FULL_URI: `${service}/v1/credentials`,
        AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file,
      }
      assert.strictEqual((yield* roundTrip(url, agent)).outcome, "same")
      // Keys are cached: one request for each of the two stores.
      assert.strictEqual(asked.length, 2)
      assert.include(asked[0]?.body, "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fcollector")
      assert.strictEqual(asked[1]?.authorization, "the-token-of-a-pod")
      assert.isTrue(s3.calls.every(({ headers }) => headers["x-amz-security-token"] === "session"))
      writeFileSync(file, "a-token-of-another-pod")
      const { message } = yield* Effect.flip(roundTrip(url, role))
      assert.match(message, /tenant\/a\/0\.bin: sign-in was refused: not Action=/)
      assert.notInclude(message, "a-token-of-another-pod")
      assert.instanceOf(s3, S3)
    }).pipe(Effect.scoped),
  )

  it.live("says which variable is missing or wrong", () =>
    Effect.gen(function* () {
      const s3 = `s3://${bucket}?region=${region}`
      const azure = "azure://contoso/results"
      for (const [url, environment, message] of [
        [s3, {}, /no credential; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or/],
        [s3, { LIVE_RESPONSE_OBJECT_STORE_SECRET: "only one" }, /is not <access key id>:<secret access key>$/],
        [azure, { LIVE_RESPONSE_OBJECT_STORE_SECRET: "a password" }, /is neither the key of a storage account nor/],
        [
          azure,
          { LIVE_RESPONSE_OBJECT_STORE_SECRET_FILE: "/proc/nowhere" },
          /can't read \/proc\/nowhere \(there is no such file\); check LIVE_/,
        ],
      ] satisfies ReadonlyArray<readonly [string, Record<string, string>, RegExp]>) {
        const error = yield* Effect.flip(roundTrip(url, environment))
        assert.match(error.message, message)
        assert.notMatch(error.message, /a password|only one/)
      }
    }).pipe(Effect.scoped),
  )
})
