/** The age of a request is that of the request alone. */
import { assert, describe, it } from "@effect/vitest"
import * as ClientCredentials from "@live-response/core/ClientCredentials"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import { RequestAge } from "@live-response/core/RequestProgress"
import * as Session from "@live-response/core/Session"
import { inVirtualTime } from "@live-response/core/testing/LiveResponseTest"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { exampleRef } from "./support/refs.ts"

const machineId = "a".repeat(40)

const session = Session.Session.make({
  commands: [Session.RunScript.make({ scriptName: "collect.ps1" })],
  comment: "1",
})

const app = { tenantId: "contoso.example", clientId: "app", clientSecret: Redacted.make("secret") }

describe("RequestAge", () => {
  it.effect("is not that of a sign-in before the request: a transport would refuse to send it", () => {
    const ages: Array<readonly [host: string, age: number | undefined]> = []
    // The first token is refused, so that the second sign-in comes after the request was recorded.
    const answers = [
      HttpServerResponse.jsonUnsafe({ access_token: "first", expires_in: 3599 }),
      HttpServerResponse.jsonUnsafe({ error: { code: "Unauthorized", message: "expired" } }, { status: 401 }),
      HttpServerResponse.jsonUnsafe({ access_token: "second", expires_in: 3599 }),
      HttpServerResponse.jsonUnsafe({ id: exampleRef.machineActionId, machineId, type: "LiveResponse" }),
    ]
    const client = HttpClient.make((request, url, _, fiber) =>
      Effect.sync(() => {
        ages.push([url.hostname, fiber.getRef(RequestAge)?.()])
        const answer = answers[ages.length - 1] ?? HttpServerResponse.empty({ status: 500 })
        return HttpServerResponse.toClientResponse(answer, { request })
      }),
    )
    const api = DefenderApi.layer({ base: "https://api.example" }).pipe(
      Layer.provide([ClientCredentials.layer(app), Quota.layer().pipe(Layer.provide(QuotaStore.layerMemory))]),
      Layer.provide(Layer.succeed(HttpClient.HttpClient, client)),
    )
    return Effect.gen(function* () {
      const action = yield* DefenderApi.DefenderApi.use(({ run }) => run(machineId, session, { age: () => 60_000 }))
      assert.strictEqual(action.id, exampleRef.machineActionId)
      assert.deepStrictEqual(ages, [
        ["login.microsoftonline.com", undefined],
        ["api.example", 60_000],
        ["login.microsoftonline.com", undefined],
        ["api.example", 60_000],
      ])
    }).pipe(inVirtualTime, Effect.provide(api))
  })
})
