/**
 * A Defender API and an Azure Blob storage, written only from Microsoft's documentation.
 *
 * The project has a simulator of its own, written by the authors of the client: if both misread a document alike, a test
 * over it is green. This server shares no code with the project; it is plain `node:http`, the API and the storage are two
 * origins as they are in life, and it records every request, so that a test can check what was sent.
 */
import { createHash, randomBytes } from "node:crypto"
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import type * as Scope from "effect/Scope"
import { listen } from "../../../node/test/support/loopbackServer.ts"

/** A result as the storage has it. A test may replace one while the server runs: its ETag changes with its bytes. */
export interface Result {
  readonly bytes: Uint8Array
  /** What the storage says the MD5 is, in base64. By default the right one; `null` for a blob that has none. */
  readonly md5?: string | null
}

export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** What becomes of a request for bytes, instead of what would. */
export type BlobFault =
  | Answer
  /** The link is refused as expired, from now on. */
  | { readonly expire: true }
  /** The connection is lost after so many bytes of the body. */
  | { readonly breakAfter: number }
  /** The body stops after so many bytes, until `release`. */
  | { readonly holdAfter: number }
  /** The body ends with its connection, and nothing announces its length. */
  | { readonly withoutLength: true }
  /** The whole body, whatever range was asked for. */
  | { readonly ignoreRange: true }

/** A request about a result `<id>:<index>`: the `nth` about this one and the `total`-th on its side, from 1. */
export interface Call {
  readonly result: string
  readonly nth: number
  readonly total: number
}

export interface Options {
  readonly results: Readonly<Record<string, Result>>
  /** The token that is taken. */
  readonly bearer?: string
  /** Rolling windows of allowed link calls; throttled calls count too. By default Microsoft's two. */
  readonly windows?: ReadonlyArray<{ readonly limit: number; readonly seconds: number }>
  /** Whether a 429 has a `Retry-After`, or only a message with the time. */
  readonly retryAfterHeader?: boolean
  /** How many seconds a link is good for. */
  readonly linkLifetime?: number
  /** Answers a link call in the server's stead, or not at all. It runs after the bearer was looked at. */
  readonly onLink?: (call: Call) => Answer | "hang up" | undefined
  /** Writes a link as the API's answer has it. By default as it is. */
  readonly linkValue?: (link: string) => string
  /** Spoils the answer to a request whose link is good. */
  readonly onBlob?: (call: Call) => BlobFault | undefined
}

export interface Recorded {
  readonly side: "api" | "blob"
  /** When it came, in milliseconds. */
  readonly at: number
  /** What it was about, `<id>:<index>`; empty if that is unknown. */
  readonly result: string
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  status: number
  /** How many bytes of a result the answer had. */
  sent: number
}

export interface ReferenceServer {
  readonly endpoint: string
  readonly blobOrigin: string
  readonly bearer: string
  /** What the storage has, by `<id>:<index>`. */
  readonly results: Map<string, Result>
  /** Every request so far. */
  readonly requests: ReadonlyArray<Recorded>
  /** The link calls, all of them or those for one result. */
  readonly linkCalls: (result?: string) => ReadonlyArray<Recorded>
  /** The requests to the storage, all of them or those for one result. */
  readonly blobCalls: (result?: string) => ReadonlyArray<Recorded>
  /** Every signature that was given out. */
  readonly signatures: () => ReadonlyArray<string>
  /** How many bodies are held at the moment. */
  readonly held: () => number
  /** Releases the bodies that are held: completely, or by a number of bytes. */
  readonly release: (bytes?: number) => void
}

export const microsoftWindows = [
  { limit: 100, seconds: 60 },
  { limit: 1500, seconds: 3600 },
]

const linkPath = /^\/api\/machineactions\/([0-9a-f-]{36})\/GetLiveResponseResultDownloadLink\(index=(\d+)\)$/

/** An error in the API's shape. */
export const apiError = (
  status: number,
  code: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): Answer => ({
  status,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify({ error: { code, message, target: "43f4cb08-8fac-4b65-9db1-745c2ae65f3a" } }),
})

/** A link in the API's shape. */
export const linkAnswer = (value: string): Answer => ({
  status: 200,
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ "@odata.context": "https://api.example/api/$metadata#Edm.String", value }),
})

/** An error in the storage's shape. */
export const blobError = (status: number, code: string, message: string, detail = ""): Answer => ({
  status,
  headers: { "content-type": "application/xml", "x-ms-error-code": code },
  body: `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${message}</Message>${detail}</Error>`,
})

const refusedLink = (detail: string) =>
  blobError(
    403,
    "AuthenticationFailed",
    "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly.",
    `<AuthenticationErrorDetail>${detail}</AuthenticationErrorDetail>`,
  )

const throttled = (limit: number, seconds: number, wait: number, header: boolean) =>
  apiError(
    429,
    "429",
    `API calls quota exceeded! Maximum allowed ${limit} per ${clockTime(seconds)} for the key Destination+TenantID+AppID. You can send requests again in ${wait} seconds.`,
    header ? { "retry-after": String(wait) } : {},
  )

const clockTime = (seconds: number) =>
  [seconds / 3600, (seconds / 60) % 60, seconds % 60].map((n) => String(Math.floor(n)).padStart(2, "0")).join(":")

export const md5 = (bytes: Uint8Array): string => createHash("md5").update(bytes).digest("base64")

export const etagOf = (bytes: Uint8Array) =>
  `"0x${createHash("sha1").update(bytes).digest("hex").slice(0, 15).toUpperCase()}"`

/** Serves until the scope ends. */
export const make = Effect.fnUntraced(function* (
  options: Options,
): Effect.fn.Return<ReferenceServer, never, Scope.Scope> {
  const bearer = options.bearer ?? `reference-bearer-${randomBytes(8).toString("hex")}`
  const windows = options.windows ?? microsoftWindows
  const results = new Map(Object.entries(options.results))
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()

  const requests: Array<Recorded> = []
  const calls = (side: Recorded["side"], result?: string) =>
    requests.filter((request) => request.side === side && (result === undefined || request.result === result))
  const record = (side: Recorded["side"], request: IncomingMessage, result: string): readonly [Recorded, Call] => {
    const { headers, method = "", url = "" } = request
    const recorded = { side, at: now(), result, method, url, headers, status: 0, sent: 0 }
    requests.push(recorded)
    return [recorded, { result, nth: calls(side, result).length, total: calls(side).length }]
  }

  const respond = (recorded: Recorded, response: ServerResponse, answer: Answer) => {
    recorded.status = answer.status
    response.writeHead(answer.status, answer.headers).end(answer.body)
  }

  /** Every link that was given out, by its path and query, byte for byte. */
  const issued = new Map<string, { readonly result: string; expires: number }>()

  // The storage

  /** Each sends so many bytes more, and says whether that was all. */
  let held: ReadonlyArray<(bytes: number) => boolean> = []

  const sendBytes = (
    recorded: Recorded,
    response: ServerResponse,
    answer: { readonly status: number; readonly headers: Record<string, string>; readonly bytes: Uint8Array },
    fault: BlobFault | undefined,
  ) => {
    recorded.status = answer.status
    response.on("error", () => response.destroy())
    const isAnnounced = fault === undefined || !("withoutLength" in fault)
    response.useChunkedEncodingByDefault = isAnnounced
    response.writeHead(answer.status, {
      ...answer.headers,
      ...(isAnnounced ? { "content-length": String(answer.bytes.length) } : { connection: "close" }),
    })
    response.flushHeaders()
    const write = (bytes: Uint8Array, then: () => void) => {
      recorded.sent += bytes.length
      response.write(bytes, then)
    }
    if (fault !== undefined && "breakAfter" in fault) {
      write(answer.bytes.subarray(0, fault.breakAfter), () => response.destroy())
    } else if (fault !== undefined && "holdAfter" in fault) {
      let sent = 0
      const sendMore = (bytes: number) => {
        const more = answer.bytes.subarray(sent, sent + bytes)
        sent += more.length
        const isAll = sent === answer.bytes.length
        write(more, () => (isAll ? response.end() : undefined))
        return isAll
      }
      sendMore(fault.holdAfter)
      held = [...held, sendMore]
    } else {
      write(answer.bytes, () => response.end())
    }
  }

  const blobOrigin = yield* listen((request, response) => {
    const link = issued.get(request.url ?? "")
    const [recorded, call] = record("blob", request, link?.result ?? "")
    if (link === undefined) return respond(recorded, response, refusedLink("Signature did not match."))

    const fault = options.onBlob?.(call)
    if (fault !== undefined && "expire" in fault) link.expires = 0
    if (link.expires <= now()) {
      return respond(recorded, response, refusedLink("Signature not valid in the specified time frame: Expiry."))
    }
    if (fault !== undefined && "status" in fault) return respond(recorded, response, fault)

    const stored = results.get(link.result)
    if (stored === undefined) return respond(recorded, response, blobError(404, "BlobNotFound", "No such blob."))
    const { bytes } = stored
    const etag = etagOf(bytes)
    const condition = request.headers["if-match"]
    if (condition !== undefined && condition !== etag && condition !== "*") {
      return respond(recorded, response, blobError(412, "ConditionNotMet", "The condition is not met."))
    }

    const hash = stored.md5 === undefined ? md5(bytes) : stored.md5
    const common = { "accept-ranges": "bytes", "content-type": "application/octet-stream", etag }
    const start = /^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1]
    if (start === undefined || (fault !== undefined && "ignoreRange" in fault)) {
      const headers = { ...common, ...(hash === null ? {} : { "content-md5": hash }) }
      return sendBytes(recorded, response, { status: 200, headers, bytes }, fault)
    }
    const offset = Number(start)
    if (offset >= bytes.length) return respond(recorded, response, blobError(416, "InvalidRange", "Out of range."))
    const headers = {
      ...common,
      "content-range": `bytes ${offset}-${bytes.length - 1}/${bytes.length}`,
      ...(hash === null ? {} : { "x-ms-blob-content-md5": hash }),
    }
    return sendBytes(recorded, response, { status: 206, headers, bytes: bytes.subarray(offset) }, fault)
  })

  // The API

  /** What the windows say to a call at `at`, itself among the calls. */
  const refusalByWindow = (at: number): Answer | undefined => {
    const times = calls("api").map((call) => call.at)
    for (const { limit, seconds } of windows) {
      const inWindow = times.filter((time) => time > at - seconds * 1000)
      const mustLeave = inWindow.at(-limit)
      if (inWindow.length <= limit || mustLeave === undefined) continue
      const wait = Math.ceil((mustLeave + seconds * 1000 - at) / 1000)
      return throttled(limit, seconds, wait, options.retryAfterHeader !== false)
    }
    return undefined
  }

  const makeLink = (result: string) => {
    const expires = now() + (options.linkLifetime ?? 1800) * 1000
    const se = encodeURIComponent(DateTime.formatIso(DateTime.makeUnsafe(expires)).replace(/\.\d+Z$/, "Z"))
    const sig = `${randomBytes(14).toString("hex")}/${randomBytes(14).toString("hex")}%3D`
    const path = `/investigation-actions-data/ID/CustomPlaybookCommandOutput/${createHash("sha1").update(result).digest("hex")}`
    const url = `${path}?se=${se}&sp=r&sv=2019-07-07&sr=b&sig=${sig}`
    issued.set(url, { result, expires })
    return linkAnswer((options.linkValue ?? identity)(`${blobOrigin}${url}`))
  }

  const endpoint = yield* listen((request, response) => {
    const [, id = "", index = ""] = linkPath.exec(request.url ?? "") ?? []
    const result = id === "" ? "" : `${id}:${index}`
    const [recorded, call] = record("api", request, result)
    const answer = (): Answer | "hang up" => {
      if (request.headers.authorization !== `Bearer ${bearer}`) {
        return apiError(401, "Unauthorized", "The token is missing, invalid or expired.")
      }
      if (request.method !== "GET" || result === "") return apiError(404, "NotFound", "No such resource.")
      const given = options.onLink?.(call) ?? refusalByWindow(recorded.at)
      if (given !== undefined) return given
      return results.has(result)
        ? makeLink(result)
        : apiError(404, "ResourceNotFound", `Machine action ${id} was not found`)
    }
    const given = answer()
    if (given === "hang up") response.destroy()
    else respond(recorded, response, given)
  })

  return {
    endpoint,
    blobOrigin,
    bearer,
    results,
    requests,
    linkCalls: (result) => calls("api", result),
    blobCalls: (result) => calls("blob", result),
    signatures: () => Array.from(issued.keys(), (url) => url.slice(url.indexOf("&sig=") + "&sig=".length)),
    held: () => held.length,
    release: (bytes = Infinity) => {
      held = held.filter((sendMore) => !sendMore(bytes))
    },
  }
})
