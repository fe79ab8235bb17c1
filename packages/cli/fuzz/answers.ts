/** Fuzzes the answers of the API, the sign-in and the storage: their bodies and headers. */
import * as AccessToken from "@live-response/core/AccessToken"
import * as Credential from "@live-response/core/Credential"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as DownloadLimits from "@live-response/core/DownloadLimits"
import * as DownloadLink from "@live-response/core/DownloadLink"
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import { FromString } from "@live-response/core/ResultRef"
import * as Timing from "@live-response/core/Timing"
import * as Transfer from "@live-response/core/Transfer"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Mutator from "./Mutator.ts"
import { anyAnswer, isPlain, promise, type Target } from "./Target.ts"

const ref = Schema.decodeSync(FromString)("988cc94e-7a8f-4b28-ab65-54970c5d5018:0")
const link = "https://example.blob.core.windows.net/r/4ed5?se=2030-02-04T16%3A13%3A50Z&sig=a/b%3D"
const secret = "eyJ-this-is-the-token"

const action = {
  id: ref.machineActionId,
  type: "LiveResponse",
  status: "Succeeded",
  machineId: "1e5bc9d7e413ddd7902c2932e418702b84d0cc07",
  computerDnsName: "ws-1.contoso.com",
  creationDateTimeUtc: "2026-11-24T10:00:00Z",
  commands: [{ index: 0, commandStatus: "Completed", errors: [], command: { type: "RunScript", params: [] } }],
}

interface Answers {
  readonly api: HttpServerResponse.HttpServerResponse
  readonly blob: HttpServerResponse.HttpServerResponse
}

/** The API and the transfer, with these answers to all calls and without retries. */
const over = ({ api, blob }: Answers) => {
  const client = HttpClient.make((request, url) =>
    Effect.sync(() => HttpServerResponse.toClientResponse(url.pathname.startsWith("/api/") ? api : blob, { request })),
  )
  const never = Schedule.recurs(0)
  return Transfer.layer.pipe(
    Layer.provideMerge(DefenderApi.layer()),
    Layer.provide([
      Layer.succeed(HttpClient.HttpClient, client),
      Credential.layerToken(Redacted.make(secret)),
      Quota.layer({ windows: [] }).pipe(Layer.provide(QuotaStore.layerMemory), Layer.orDie),
      Timing.layer({ api: never, transfer: never, link: never, throttled: never, busy: never, outage: never }),
    ]),
  )
}

const bodyOf = (input: Uint8Array, status = 200) =>
  HttpServerResponse.stream(Stream.fromIterable(Mutator.piecesOf(input)), {
    status,
    contentType: "application/json",
  })

const noBlob = HttpServerResponse.empty({ status: 404 })

/** Whether an error is one line of plain text without a secret. */
const isGoodMessage = (message: string) => isPlain(message) && !message.includes(secret) && !message.includes("sig=a/b")

const apiCalls = Effect.gen(function* () {
  const api = yield* DefenderApi.DefenderApi
  const calls = [
    Stream.runDrain(Stream.take(api.pages(), 3)),
    Effect.asVoid(api.get(ref.machineActionId)),
    Effect.asVoid(api.machinesOf("ws-1.contoso.com")),
    Effect.asVoid(api.downloadLink(ref)),
  ]
  for (const call of calls) {
    yield* call.pipe(
      Effect.catch((error) => promise(isGoodMessage(error.message), `an error says ${JSON.stringify(error.message)}`)),
    )
  }
})

const json = (value: unknown) => JSON.stringify(value)

const pages: Target = {
  name: "pages",
  corpus: [
    json({
      value: [action, action],
      "@odata.nextLink": "https://api.security.microsoft.com/api/machineactions?$skip=2",
    }),
    json(action),
    json({ value: [{ id: action.machineId, computerDnsName: "ws-1.contoso.com" }] }),
    json({ value: link }),
    json({ value: [] }),
  ],
  run: (input) => Effect.provide(apiCalls, over({ api: bodyOf(input), blob: noBlob })),
}

const statuses = [400, 401, 403, 404, 409, 429, 500, 503]

const apiErrors: Target = {
  name: "apiErrors",
  corpus: [
    json({ error: { code: "ResourceNotFound", message: "Machine action was not found", target: "|1.2." } }),
    json({ error: { code: "TooManyRequests", message: "Try again in 30 seconds." } }),
    "<html><title>Blocked</title></html>",
  ],
  run: (input) => {
    const status = statuses[(input[0] ?? 0) % statuses.length] ?? 400
    return Effect.provide(apiCalls, over({ api: bodyOf(input, status), blob: noBlob }))
  },
}

/** A header value that can reach a client, without NULs and line breaks. */
const headerText = (text: string) => text.replaceAll(/[^\t\u0020-\u007e\u0080-\u00ff]/g, "")

/** The headers in an input, one a line. */
const headersOf = (input: Uint8Array): Record<string, string> =>
  Object.fromEntries(
    Buffer.from(input)
      .toString("latin1")
      .split("\n")
      .flatMap((line) => {
        const [, name, value] = /^([a-z-]+): (.*)$/s.exec(line.trimEnd()) ?? []
        return name === undefined || value === undefined ? [] : [[name, headerText(value)]]
      }),
  )

const maxBytes = 100

const headers: Target = {
  name: "headers",
  corpus: [
    'x-status: 206\ncontent-range: bytes 10-19/20\netag: "0x1"\ncontent-length: 10\nx-ms-request-id: a',
    'x-status: 200\netag: "0x1"\ncontent-length: 20\ncontent-md5: XUFAKrxLKna5cZ2REBfFkg==\ncontent-disposition: attachment; filename="a.zip"; filename*=UTF-8\'\'%e2%82%ac',
    "x-status: 503\nretry-after: 120\nx-ms-error-code: ServerBusy\ndate: Tue, 24 Nov 2026 06:00:00 GMT",
    "x-status: 429\nretry-after: Tue, 24 Nov 2026 06:00:00 GMT\ndate: Tue, 24 Nov 2026 06:00:00 GMT",
    'x-status: 401\nwww-authenticate: Bearer error="insufficient_claims", claims="eyJhIjoxfQ=="',
    "x-status: 302\nlocation: https://example.com/\nserver: proxy",
  ],
  run: (input) => {
    const all = headersOf(input)
    const status = Math.min(599, Math.max(200, Number.parseInt(all["x-status"] ?? "200", 10) || 200))
    const body = new Uint8Array(input.length % 3 === 0 ? 2 * maxBytes : 20)
    const answer = HttpServerResponse.stream(Stream.make(body), { status, headers: all })
    const linkAnswer = HttpServerResponse.jsonUnsafe({ value: link }, { headers: { date: all["date"] ?? "" } })
    const download = Effect.gen(function* () {
      const transfer = yield* Transfer.Transfer
      const resume = { head: { length: 20, etag: '"0x1"' }, offset: 10 }
      for (const from of [undefined, resume]) {
        const exit = yield* transfer.chunks(ref, from).pipe(
          Stream.runFold(
            () => 0,
            (most, { bytes, offset }) => Math.max(most, offset + bytes.length),
          ),
          Effect.result,
        )
        if (exit._tag === "Success") yield* promise(exit.success <= maxBytes, `${exit.success} bytes came`)
        else yield* promise(isGoodMessage(exit.failure.message), `an error says ${json(exit.failure.message)}`)
      }
    }).pipe(DownloadLimits.provide({ maxBytes }))
    return Effect.andThen(
      Effect.provide(download, over({ api: linkAnswer, blob: answer })),
      Effect.provide(apiCalls, over({ api: answer, blob: noBlob })),
    )
  },
}

const links: Target = {
  name: "links",
  corpus: [
    link,
    `"${link}"`,
    "http://127.0.0.1:1/r",
    "https://[::ffff:127.0.0.1]/a",
    "https://user:pass@host.example/?se=x",
  ],
  run: (input) =>
    Effect.suspend(() => {
      const found = DownloadLink.fromString(Buffer.from(input).toString())
      if (Option.isNone(found)) return Effect.void
      const text = Redacted.value(found.value.url)
      const url = URL.parse(text)
      return Effect.andThen(
        promise(url !== null && url.protocol === "https:", `${json(text)} is followed`),
        promise(!String(found.value).includes(text), "a link shows its URL"),
      )
    }),
}

const tokens: Target = {
  name: "tokens",
  corpus: [
    {
      aud: "https://api.securitycenter.microsoft.com",
      exp: 1_790_000_000,
      roles: ["Machine.LiveResponse"],
      appid: "a",
    },
    { aud: "x", scp: "Machine.Read Machine.LiveResponse", exp: "1", azp: "b" },
  ].map((claims) => `e30.${Buffer.from(json(claims)).toString("base64url")}.c2ln`),
  run: (input) =>
    anyAnswer(
      Effect.sync(() => {
        const texts = [Buffer.from(input).toString(), `e30.${Buffer.from(input).toString("base64url")}.c2ln`]
        for (const text of texts) {
          const claims = Option.getOrUndefined(AccessToken.claims(Redacted.make(text)))
          if (claims === undefined) continue
          AccessToken.kind(claims)
          AccessToken.permissions(claims)
          AccessToken.expiry(claims)
        }
      }),
    ),
}

export const answers: ReadonlyArray<Target> = [pages, apiErrors, headers, links, tokens]
