import { gunzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import { execute, fetchLink, origin } from "./support/simulated.ts"

// What other public clients of the API send, written down from their sources as plain requests. Their users test with the
// simulator too.

const machineId = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07"

const layer = Layer.provideMerge(
  Simulator.layerHttpClient,
  Simulator.layer({
    machines: [
      { id: machineId, name: "ws-0.contoso.com", record: { machineTags: ["lab"], lastIpAddress: "10.1.2.3" } },
    ],
  }),
)

interface Step {
  readonly send: string
  /** A body in JSON, or the parts of a form. */
  readonly json?: object
  readonly form?: Readonly<Record<string, string | File>>
  readonly status?: number
  /** What the answer says. */
  readonly says?: string
}

type Methods = "GET" | "POST" | "DELETE"

const isMethod = (text: string): text is Methods => text === "GET" || text === "POST" || text === "DELETE"

const requestOf = ({ form, json }: Step, method: Methods, url: string, token: string) => {
  const request = HttpClientRequest.make(method)(url, { headers: { authorization: `Bearer ${token}` } })
  if (json !== undefined) return HttpClientRequest.bodyJsonUnsafe(request, json)
  if (form === undefined) return request
  const data = new FormData()
  for (const [name, value] of Object.entries(form)) data.append(name, value)
  return HttpClientRequest.bodyFormData(request, data)
}

const Token = Schema.fromJsonString(Schema.Struct({ access_token: Schema.String }))

/** Signs in, at version 1 of the endpoint with a resource or at version 2 with a scope. */
const signIn = Effect.fnUntraced(function* (form: Record<string, string>) {
  const version = form["resource"] === undefined ? "/v2.0" : ""
  const request = HttpClientRequest.post(`${origin}/contoso.onmicrosoft.com/oauth2${version}/token`)
  const credential = { grant_type: "client_credentials", client_id: "app", client_secret: "secret" }
  const { text } = yield* execute(HttpClientRequest.bodyUrlParams(request, { ...credential, ...form }))
  return (yield* Schema.decodeEffect(Token)(text)).access_token
})

const Created = Schema.fromJsonString(Schema.Struct({ id: Schema.String }))

const Link = Schema.fromJsonString(Schema.Struct({ value: Schema.String }))

/** Sends the steps of a client, a minute apart. `{action}` is the action that was started last. Returns the text of the last answer. */
const play = Effect.fnUntraced(function* (token: string, steps: ReadonlyArray<Step>) {
  let action = ""
  let text = ""
  for (const step of steps) {
    yield* TestClock.adjust("1 minute")
    const [method = "", ...path] = step.send
      .replaceAll("{machine}", machineId)
      .replaceAll("{action}", action)
      .split(" ")
    assert(isMethod(method))
    const answer = yield* execute(requestOf(step, method, `${origin}${path.join(" ")}`, token))
    assert.strictEqual(answer.status, step.status ?? 200, `${step.send}: ${answer.text}`)
    if (step.says !== undefined) assert.include(answer.text, step.says, step.send)
    text = answer.text
    if (answer.status === 201) action = (yield* Schema.decodeEffect(Created)(text)).id
  }
  return text
})

/** The bytes behind the link in an answer. */
const download = Effect.fnUntraced(function* (answer: string) {
  const { value } = yield* Schema.decodeEffect(Link)(answer)
  return (yield* fetchLink(value)).bytes
})

const param = (key: string, value: string) => ({ key, value })

const script = (name: string, args: string) => ({
  Comment: "case 4711",
  Commands: [{ type: "RunScript", params: [param("ScriptName", name), param("Args", args)] }],
})

const collection = { Comment: "case 4711", Commands: [{ type: "GetFile", params: [param("Path", "C:\\Temp\\a.txt")] }] }

describe("requests of other clients", () => {
  it.effect("Kibana tests its connector, isolates a machine and runs a script", () =>
    Effect.gen(function* () {
      const token = yield* signIn({ scope: "https://securitycenter.onmicrosoft.com/windowsatpservice/.default" })
      const unknown = "elastic-connector-test"
      const missing = { status: 404, says: "ResourceNotFound" }
      const last = yield* play(token, [
        { send: `GET /api/machines/${unknown}`, ...missing },
        { send: `POST /api/machines/${unknown}/isolate`, json: { Comment: "a", IsolationType: "Full" }, ...missing },
        { send: `POST /api/machines/${unknown}/unisolate`, json: { Comment: "a" }, ...missing },
        { send: `POST /api/machines/${unknown}/runliveresponse`, json: script("test", "--noargs"), ...missing },
        { send: "GET /api/machineactions?$count=true&$top=1", says: `"@odata.count":0` },
        { send: "GET /api/machines?$count=true&$top=20", says: `"@odata.count":1` },
        { send: "POST /api/machines/{machine}/isolate", json: { Comment: "a", IsolationType: "Full" }, status: 201 },
        {
          send: "GET /api/machineactions?$count=true&$top=20&$orderby=creationDateTimeUtc desc&$filter=id in ('{action}') AND status in ('Succeeded','Failed')",
          says: `"@odata.count":1`,
        },
        { send: "GET /api/libraryfiles", says: "collect.ps1" },
        {
          send: "POST /api/machines/{machine}/runliveresponse",
          json: script("collect.ps1", "--noargs"),
          status: 201,
        },
        { send: "GET /api/machineactions/{action}", says: `"status":"Succeeded"` },
        { send: "GET /api/machineactions/{action}/GetLiveResponseResultDownloadLink(index=0)" },
      ])
      assert.include(new TextDecoder().decode(yield* download(last)), "collect.ps1 --noargs on ws-0.contoso.com")
    }).pipe(Effect.provide(layer)),
  )

  it.effect("Splunk SOAR runs each response, and gets a package and a file", () =>
    Effect.gen(function* () {
      const token = yield* signIn({ resource: "https://api.securitycenter.windows.com" })
      const comment = { Comment: "event 7" }
      const started = { status: 201, says: `"requestorComment":"event 7"` }
      const last = yield* play(token, [
        { send: "GET /api/machines?$top=100", says: machineId },
        { send: "GET /api/machines/{machine}", says: "ws-0.contoso.com" },
        { send: "POST /api/machines/{machine}/isolate", json: { ...comment, IsolationType: "Selective" }, ...started },
        { send: "GET /api/machineactions/{action}", says: `"scope":"Selective"` },
        { send: "POST /api/machines/{machine}/unisolate", json: comment, ...started },
        { send: "POST /api/machines/{machine}/runAntiVirusScan", json: { ...comment, ScanType: "Full" }, ...started },
        { send: "POST /api/machines/{machine}/restrictCodeExecution", json: comment, ...started },
        { send: "POST /api/machines/{machine}/unrestrictCodeExecution", json: comment, ...started },
        { send: "POST /api/machines/{machine}/collectInvestigationPackage", json: comment, ...started },
        { send: "GET /api/machineactions/{action}/getPackageUri", says: "WDATP_Investigation_Package.zip" },
        { send: "POST /api/machines/{machine}/runliveresponse", json: collection, status: 201 },
        { send: "GET /api/machineactions/{action}/GetLiveResponseResultDownloadLink(index=0)" },
      ])
      assert.strictEqual(gunzipSync(yield* download(last)).toString(), "C:\\Temp\\a.txt of ws-0.contoso.com")
    }).pipe(Effect.provide(layer)),
  )

  it.effect("VMRay's connector uploads its script, waits for the machine and collects what it left", () =>
    Effect.gen(function* () {
      const token = yield* signIn({ resource: "https://api.securitycenter.microsoft.com" })
      const file = new File(["param()"], "SubmitEvidencesToVmray.ps1", { type: "text/plain" })
      const form = { HasParameters: "true", OverrideIfExists: "true", Description: "description", file }
      const last = yield* play(token, [
        { send: "POST /api/libraryfiles", form, says: `"hasParameters":true` },
        { send: "POST /api/libraryfiles", form, says: "SubmitEvidencesToVmray.ps1" },
        { send: "GET /api/machineactions?$filter=machineId+eq+'{machine}'", says: `"value":[]` },
        {
          send: "POST /api/machines/{machine}/runliveresponse",
          json: script("SubmitEvidencesToVmray.ps1", "-payload v1.YQ.Yg"),
          status: 201,
        },
        { send: "POST /api/machineactions/{action}/cancel", json: { Comment: "late" }, status: 400 },
        { send: "GET /api/machineactions?$filter=machineId+eq+'{machine}'", says: `"Succeeded"` },
        { send: "GET /api/machineactions/{action}/GetLiveResponseResultDownloadLink(index=0)" },
      ])
      assert.include(new TextDecoder().decode(yield* download(last)), "SubmitEvidencesToVmray.ps1")
    }).pipe(Effect.provide(layer)),
  )

  it.effect("PSMDE lists by filter and by tag, and reads a result", () =>
    Effect.gen(function* () {
      const token = yield* signIn({ scope: "https://api.securitycenter.microsoft.com/.default" })
      const last = yield* play(token, [
        { send: "GET /api/machines?$filter=healthStatus eq 'Active'", says: machineId },
        { send: "GET /api/machines?$filter=lastSeen gt 1969-08-01Z", says: machineId },
        { send: "GET /api/machines?$filter=startswith(computerDnsName,'mymachine')", status: 404 },
        { send: "GET /api/machines/findbytag?tag=la&useStartsWithFilter=true", says: machineId },
        { send: "POST /api/machines/{machine}/runliveresponse", json: collection, status: 201 },
        {
          send: "GET /api/machineactions?$filter=requestor eq 'simulator' and type eq 'LiveResponse'",
          says: "GetFile",
        },
        { send: "GET /api/machineactions/{action}/GetLiveResponseResultDownloadLink(index=0)" },
      ])
      assert.strictEqual(gunzipSync(yield* download(last)).toString(), "C:\\Temp\\a.txt of ws-0.contoso.com")
    }).pipe(Effect.provide(layer)),
  )

  it.effect("LiveResponseConsole signs in with a device code, and manages the library", () =>
    Effect.gen(function* () {
      const resource = "https://api.securitycenter.microsoft.com"
      const code = HttpClientRequest.post(`${origin}/contoso/oauth2/devicecode`)
      const { text } = yield* execute(HttpClientRequest.bodyUrlParams(code, { client_id: "app", resource }))
      const { device_code } = yield* Schema.decodeEffect(
        Schema.fromJsonString(Schema.Struct({ device_code: Schema.String, message: Schema.String })),
      )(text)
      const grant_type = "urn:ietf:params:oauth:grant-type:device_code"
      const token = yield* signIn({ grant_type, device_code, resource })
      const filter = encodeURIComponent("startswith(computerDnsName,'ws-0')")
      yield* play(token, [
        { send: `GET /api/machines?$filter=${filter}`, says: machineId },
        { send: "GET /api/machines/{machine}", says: machineId },
        { send: "POST /api/libraryfiles", form: { file: new File(["exit"], "lr.ps1"), Description: "a" } },
        { send: "POST /api/libraryfiles", form: { file: new File(["exit"], "lr.ps1") }, status: 400 },
        { send: "POST /api/machines/{machine}/runliveresponse", json: script("lr.ps1", "-Encoded aGk="), status: 201 },
        { send: "GET /api/machineactions?$filter=machineId eq '{machine}'&$top=5", says: "lr.ps1" },
        { send: "DELETE /api/libraryfiles/lr.ps1", status: 204 },
        { send: "DELETE /api/libraryfiles/lr.ps1", status: 404 },
      ])
    }).pipe(Effect.provide(layer)),
  )

  it.effect("Cortex XSOAR pages through machines, isolates one and cancels a session", () =>
    Effect.gen(function* () {
      const token = yield* signIn({ scope: "https://securitycenter.onmicrosoft.com/windowsatpservice/.default" })
      const files = ["a.txt", "b.txt", "c.txt"].map((name) => ({ type: "GetFile", params: [param("Path", name)] }))
      const last = yield* play(token, [
        { send: "GET /api/machines?$filter=computerDnsName+eq+'ws-0.contoso.com'&$skip=0&$top=50", says: machineId },
        { send: "GET /api/machines?$filter=lastIpAddress eq '10.1.2.3' and healthStatus eq 'Active'", says: machineId },
        { send: "GET /api/machines?$skip=50&$top=50", status: 404 },
        { send: "POST /api/machines/{machine}/isolate", json: { Comment: "a", IsolationType: "Full" }, status: 201 },
        {
          send: "GET /api/machineactions?$filter=type eq 'Isolate' and status eq 'Succeeded'&$top=50",
          says: machineId,
        },
        {
          send: "POST /api/machines/{machine}/runliveresponse",
          json: { Comment: "a", Commands: [...files, ...files] },
          status: 201,
        },
        { send: "POST /api/machineactions/{action}/cancel", json: { Comment: "b" }, says: `"status":"Cancelled"` },
        { send: "GET /api/machineactions/{action}", says: `"cancellationComment":"b"` },
        { send: "GET /api/machineactions/{action}/GetLiveResponseResultDownloadLink(index=1)" },
      ])
      assert.include(gunzipSync(yield* download(last)).toString(), "b.txt")
    }).pipe(Effect.provide(layer)),
  )
})
