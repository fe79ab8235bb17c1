/**
 * A Defender API and a blob storage on sockets of their own, whose answers a test changes one by one. It shares no code with
 * the library. A body that is cut or held ends only when the client has received all bytes before, so every run is alike.
 */
import { createHash } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { listen } from "./loopbackServer.ts"

/** An answer. Without a `content-length` header it is sent in chunks. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** How many zeros follow the body, unless the client closes the connection. */
  readonly padding?: number
  /** Where the body is cut, and how. */
  readonly breaks?: { readonly after: number | "no head"; readonly by: "FIN" | "RST" | "silence" }
  /** What is written to the socket instead of the answer. */
  readonly raw?: Uint8Array
  /** It is the page of a gateway, whose bytes do not count as those of a result. */
  readonly isPage?: true
  /** The link of the request has expired from now on. */
  readonly killsLink?: boolean
  /** A call for a link is too early if it arrives sooner than this many milliseconds after the answer. */
  readonly notBefore?: number
}

/** The servers that an answer may refer to. */
export interface Around {
  /** A link to the requested result, which works until `expires`. */
  readonly link: (expires: DateTime.DateTime) => string
  /** A server that no client has a reason to call. */
  readonly elsewhere: string
}

/** Turns a good answer into a bad one. */
export type Spoil = (good: Answer, around: Around) => Answer

/** A result, and how the first, second and further calls for its link and requests for its bytes are answered. */
export interface Script {
  /** The content at the first, second and further requests. The last one stays. */
  readonly contents: ReadonlyArray<Uint8Array>
  readonly api?: ReadonlyArray<Spoil>
  readonly blob?: ReadonlyArray<Spoil>
}

export interface FaultServer {
  readonly endpoint: string
  /** What was requested of a result: calls for a link, links, and the offset of each request for bytes. */
  readonly seen: (result: string) => {
    readonly calls: number
    readonly links: number
    readonly asked: ReadonlyArray<number>
    /** Bytes sent with status 200 and 206. */
    readonly sent: number
  }
  /** What the client did that it may not do, one sentence each. */
  readonly offences: ReadonlyArray<string>
  /** How many answers are in progress. */
  readonly inProgress: () => number
  /** The client has stored this many more bytes of a result. */
  readonly received: (result: string, bytes: number) => void
}

export const bearer = "a-bearer-for-faults"

export const md5 = (bytes: Uint8Array): string => createHash("md5").update(bytes).digest("base64")

const linkBody = (link: string): Uint8Array => Buffer.from(JSON.stringify({ value: link }))

export const inMinutes = (minutes: number): DateTime.Utc => DateTime.add(DateTime.nowUnsafe(), { minutes })

/** A date as a header has it. */
export const httpDate = (date: DateTime.DateTime): string => DateTime.toDateUtc(date).toUTCString()

export const error = (status: number, code: string): Answer => {
  const body = Buffer.from(`<?xml version="1.0"?><Error><Code>${code}</Code></Error>`)
  return { status, headers: { "content-length": String(body.length), "x-ms-error-code": code }, body }
}

export const expiredLink: Answer = { ...error(403, "AuthenticationFailed"), killsLink: true }

/** How early a call may be, in milliseconds: the timers of the client are not more precise. */
const tolerance = 20

/** What happened to one result. */
interface State {
  readonly script: Script
  readonly linked: Set<string>
  readonly expired: Set<string>
  readonly asked: Array<number>
  answered: number
  calls: number
  sent: number
  received: number
  notBefore: number
  /** A cut that waits until the client has received the bytes before it. */
  waiting: { readonly until: number; readonly stop: () => void } | undefined
}

const startState = (script: Script): State => ({
  script,
  linked: new Set(),
  expired: new Set(),
  asked: [],
  answered: 0,
  calls: 0,
  sent: 0,
  received: 0,
  notBefore: 0,
  waiting: undefined,
})

/** What all results share. */
interface Servers {
  readonly states: ReadonlyMap<string, State>
  readonly offences: Array<string>
  readonly inProgress: Set<ServerResponse>
  /** The origins of the servers. */
  readonly elsewhere: string
  readonly storage: string
}

/** Cuts a body once the client has received the bytes before the cut. */
const cutIfDue = (state: State) => {
  const { waiting } = state
  if (waiting === undefined || state.received < waiting.until) return
  state.waiting = undefined
  waiting.stop()
}

const count = (state: State | undefined, { isPage, status }: Answer, bytes: Uint8Array) => {
  if (state !== undefined && isPage !== true && (status === 200 || status === 206)) state.sent += bytes.length
}

/** Sends an answer. Without a state it is an answer of the API, whose bytes are not counted. */
const send = (inProgress: Set<ServerResponse>, response: ServerResponse, answer: Answer, state?: State) => {
  const { socket } = response
  if (socket === null) return
  const { body, breaks, headers, padding = 0, raw, status } = answer
  inProgress.add(response)
  response.on("close", () => inProgress.delete(response))
  response.on("error", () => socket.destroy())
  const stop = () => {
    if (breaks?.by === "FIN") socket.end()
    if (breaks?.by === "RST") socket.resetAndDestroy()
  }
  if (raw !== undefined) {
    count(state, answer, body)
    socket.end(raw)
    return
  }
  if (breaks?.after === "no head") return stop()
  response.sendDate = headers.date === undefined
  response.writeHead(status, headers)
  response.flushHeaders()
  const part = body.subarray(0, breaks?.after)
  count(state, answer, part)
  if (breaks !== undefined) {
    if (state !== undefined) state.waiting = { until: state.received + part.length, stop }
    const written = () => (state === undefined ? stop() : cutIfDue(state))
    if (part.length === 0) setImmediate(written)
    else response.write(part, written)
  } else if (padding === 0) {
    response.end(part)
  } else {
    response.write(part)
    pad(response, padding)
  }
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void

const serveElsewhere =
  (offences: Array<string>): Handler =>
  ({ headers, url }, response) => {
    offences.push(`asked elsewhere for ${url}${headers.authorization === undefined ? "" : ", with a bearer"}`)
    response.end()
  }

const serveStorage =
  ({ elsewhere, inProgress, offences, states }: Omit<Servers, "storage">): Handler =>
  (request, response) => {
    const url = request.url ?? ""
    const state = states.get(decodeURIComponent(url.split("?")[0] ?? "").slice(1))
    if (request.headers.authorization !== undefined) offences.push("the storage was given a bearer")
    if (request.headers["accept-encoding"] !== "identity") offences.push("other encodings than identity were allowed")
    if (state === undefined || !state.linked.has(url)) {
      offences.push(`the storage was asked without a link: ${url}`)
      response.destroy()
      return
    }
    const offset = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0)
    state.asked.push(offset)
    if (state.expired.has(url)) return send(inProgress, response, expiredLink, state)
    const nth = state.answered++
    const content = state.script.contents[nth] ?? state.script.contents.at(-1) ?? new Uint8Array()
    const good = blobAnswer(content, offset, request)
    const answer = state.script.blob?.[nth]?.(good, { link: () => url, elsewhere }) ?? good
    if (answer.killsLink === true) state.expired.add(url)
    send(inProgress, response, answer, state)
  }

const serveApi =
  ({ elsewhere, inProgress, offences, states, storage }: Servers): Handler =>
  (request, response) => {
    const [, action] = actionPath.exec(request.url ?? "") ?? []
    if (request.headers.authorization === `Bearer ${bearer}` && action !== undefined) {
      // Where a link is refused, the action says whether its result is a package.
      const session = { id: action, type: "LiveResponse", status: "Succeeded", commands: [] }
      return send(inProgress, response, { status: 200, headers: {}, body: Buffer.from(JSON.stringify(session)) })
    }
    const [, id, index] = linkPath.exec(request.url ?? "") ?? []
    const result = `${id}:${index}`
    const state = states.get(result)
    if (request.headers.authorization !== `Bearer ${bearer}` || state === undefined) {
      offences.push(`the API was asked for ${request.url}`)
      response.destroy()
      return
    }
    const now = DateTime.toEpochMillis(DateTime.nowUnsafe())
    if (now + tolerance < state.notBefore) offences.push(`asked ${state.notBefore - now} ms too early`)
    const nth = state.calls++
    const link = (expires: DateTime.DateTime) => {
      const se = encodeURIComponent(DateTime.formatIso(expires))
      const path = `/${encodeURIComponent(result)}?se=${se}&sp=r&sr=b&sig=c2ln/bmF0dXJl${state.linked.size}%3D`
      state.linked.add(path)
      return `${storage}${path}`
    }
    const spoil = state.script.api?.[nth] ?? ((_, { link }) => linkAnswer(link(inMinutes(30))))
    const answer = spoil(linkAnswer(""), { link, elsewhere })
    if (answer.notBefore !== undefined) state.notBefore = now + answer.notBefore
    send(inProgress, response, answer)
  }

/** Serves until the scope closes. */
export const make = Effect.fnUntraced(function* (
  scripts: ReadonlyMap<string, Script>,
): Effect.fn.Return<FaultServer, never, Scope.Scope> {
  const states = new Map(Array.from(scripts, ([result, script]) => [result, startState(script)]))
  const offences: Array<string> = []
  const inProgress = new Set<ServerResponse>()
  const elsewhere = yield* listen(serveElsewhere(offences))
  const storage = yield* listen(serveStorage({ states, offences, inProgress, elsewhere }))
  const endpoint = yield* listen(serveApi({ states, offences, inProgress, elsewhere, storage }))
  return {
    endpoint,
    offences,
    seen: (result) => {
      const state = states.get(result)
      return {
        calls: state?.calls ?? 0,
        links: state?.linked.size ?? 0,
        asked: state?.asked ?? [],
        sent: state?.sent ?? 0,
      }
    },
    inProgress: () => inProgress.size,
    received: (result, bytes) => {
      const state = states.get(result)
      if (state === undefined) return
      state.received += bytes
      cutIfDue(state)
    },
  }
})

const actionPath = /^\/api\/machineactions\/([0-9a-f-]{36})$/

const linkPath = /^\/api\/machineactions\/([0-9a-f-]{36})\/GetLiveResponseResultDownloadLink\(index=(\d+)\)$/

export const linkAnswer = (link: string): Answer => ({
  status: 200,
  headers: { "content-type": "application/json" },
  body: linkBody(link),
})

/** The good answer of the storage: all bytes, the missing bytes, or the error of the request. */
const blobAnswer = (content: Uint8Array, offset: number, { headers }: IncomingMessage): Answer => {
  const etag = `"${createHash("sha1").update(content).digest("hex").slice(0, 16)}"`
  if (headers["if-match"] !== undefined && headers["if-match"] !== etag) return error(412, "ConditionNotMet")
  if (headers.range === undefined) {
    return { status: 200, headers: { etag, "content-length": String(content.length) }, body: content }
  }
  if (offset >= content.length) return error(416, "InvalidRange")
  const body = content.subarray(offset)
  const range = `bytes ${offset}-${content.length - 1}/${content.length}`
  return { status: 206, headers: { etag, "content-length": String(body.length), "content-range": range }, body }
}

/** Writes zeros as fast as the client reads them. */
const pad = (response: ServerResponse, padding: number) => {
  const zeros = new Uint8Array(64 * 1024)
  let left = padding
  const write = () => {
    while (left > 0 && !response.destroyed) {
      left -= zeros.length
      if (!response.write(zeros)) return
    }
    response.end()
  }
  response.on("drain", write)
  write()
}
