/**
 * A Defender API and a blob storage on sockets of their own, whose answers a test spoils one by one. It shares no code
 * with the library. What is cut or held ends only when the client has all bytes before, so that a run is like any other.
 */
import { createHash } from "node:crypto"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** A server's answer. Without a `content-length` among its headers it comes in chunks. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** So many zeros follow the body, or as many as the client takes. */
  readonly padding?: number
  /** Where it ends before its end, and how. */
  readonly breaks?: { readonly after: number | "no head"; readonly by: "FIN" | "RST" | "silence" }
  /** What is written to the socket in its stead. */
  readonly raw?: Uint8Array
  /** It is the page of a gateway, and none of its bytes are a result's. */
  readonly isPage?: true
  /** The link that was used is dead from now on. */
  readonly killsLink?: boolean
  /** A call for a link that comes sooner than so many milliseconds after this answer is too early. */
  readonly notBefore?: number
}

/** What an answer is made with. */
export interface Around {
  /** An address in the storage that is good for the result that was asked about, with this expiry. */
  readonly link: (expires: DateTime.DateTime) => string
  /** A server that nobody has a reason to ask. */
  readonly elsewhere: string
}

/** Makes a bad answer of a good one. */
export type Spoil = (good: Answer, around: Around) => Answer

/** A result, and what becomes of the first, second and further calls for its link and requests for its bytes. */
export interface Script {
  /** What the storage holds at the first, second and further requests. The last one stays. */
  readonly contents: ReadonlyArray<Uint8Array>
  readonly api?: ReadonlyArray<Spoil>
  readonly blob?: ReadonlyArray<Spoil>
}

export interface FaultServer {
  readonly endpoint: string
  /** For a result: how often the API was asked for a link, how many it gave, and where each request for bytes began. */
  readonly seen: (result: string) => {
    readonly calls: number
    readonly links: number
    readonly asked: ReadonlyArray<number>
    /** Bytes of bodies of 200 and 206. */
    readonly sent: number
  }
  /** What no client may do: in a sentence each. */
  readonly offences: ReadonlyArray<string>
  /** How many answers are neither at their end nor given up by the client. */
  readonly underWay: () => number
  /** The client has so many bytes more of a result. */
  readonly received: (result: string, bytes: number) => void
}

export const bearer = "a-bearer-for-faults"

export const md5 = (bytes: Uint8Array): string => createHash("md5").update(bytes).digest("base64")

export const linkBody = (link: string): Uint8Array => Buffer.from(JSON.stringify({ value: link }))

export const inMinutes = (minutes: number): DateTime.Utc => DateTime.add(DateTime.nowUnsafe(), { minutes })

/** As a header has it. */
export const httpDate = (date: DateTime.DateTime): string => DateTime.toDateUtc(date).toUTCString()

export const error = (status: number, code: string): Answer => {
  const body = Buffer.from(`<?xml version="1.0"?><Error><Code>${code}</Code></Error>`)
  return { status, headers: { "content-length": String(body.length), "x-ms-error-code": code }, body }
}

export const deadLink: Answer = { ...error(403, "AuthenticationFailed"), killsLink: true }

/** How far out of its time a call may be: a timer of the client is no better. */
const tolerance = 20

interface State {
  readonly script: Script
  readonly linked: Set<string>
  readonly dead: Set<string>
  readonly asked: Array<number>
  answered: number
  calls: number
  sent: number
  received: number
  notBefore: number
  waiting: { readonly until: number; readonly stop: () => void } | undefined
}

/** Serves until the scope ends. */
export const make = Effect.fnUntraced(function* (
  scripts: ReadonlyMap<string, Script>,
): Effect.fn.Return<FaultServer, never, Scope.Scope> {
  const offences: Array<string> = []
  const underWay = new Set<ServerResponse>()
  const states = new Map(
    Array.from(scripts, ([result, script]): [string, State] => [
      result,
      {
        script,
        linked: new Set(),
        dead: new Set(),
        asked: [],
        answered: 0,
        calls: 0,
        sent: 0,
        received: 0,
        notBefore: 0,
        waiting: undefined,
      },
    ]),
  )

  /** Without a state it is of the API, and nobody counts what the client has of it. */
  const send = (response: ServerResponse, answer: Answer, state?: State) => {
    const { socket } = response
    if (socket === null) return
    const { body, breaks, headers, padding = 0, raw, status } = answer
    const count = (bytes: Uint8Array) => {
      if (state !== undefined && answer.isPage !== true && (status === 200 || status === 206))
        state.sent += bytes.length
    }
    underWay.add(response)
    response.on("close", () => underWay.delete(response))
    response.on("error", () => socket.destroy())
    const stop = () => {
      if (breaks?.by === "FIN") socket.end()
      if (breaks?.by === "RST") socket.resetAndDestroy()
    }
    if (raw !== undefined) {
      count(body)
      socket.end(raw)
      return
    }
    if (breaks?.after === "no head") return stop()
    response.sendDate = headers.date === undefined
    response.writeHead(status, headers)
    response.flushHeaders()
    const part = body.subarray(0, breaks?.after)
    count(part)
    if (breaks !== undefined) {
      if (state !== undefined) state.waiting = { until: state.received + part.length, stop }
      const written = () => (state === undefined ? stop() : goOn(state))
      if (part.length === 0) setImmediate(written)
      else response.write(part, written)
    } else if (padding === 0) {
      response.end(part)
    } else {
      response.write(part)
      pad(response, padding)
    }
  }

  const goOn = (state: State) => {
    const { waiting } = state
    if (waiting === undefined || state.received < waiting.until) return
    state.waiting = undefined
    waiting.stop()
  }

  const elsewhere = yield* listen(({ headers, url }, response) => {
    offences.push(`asked elsewhere for ${url}${headers.authorization === undefined ? "" : ", with a bearer"}`)
    response.end()
  })

  const storage = yield* listen((request, response) => {
    const url = request.url ?? ""
    const state = states.get(decodeURIComponent(url.split("?")[0] ?? "").slice(1))
    if (request.headers.authorization !== undefined) offences.push("the storage was given a bearer")
    if (request.headers["accept-encoding"] !== "identity") offences.push("other encodings than identity were allowed")
    if (state === undefined || !state.linked.has(url)) {
      offences.push(`the storage was asked with a link that is none: ${url}`)
      response.destroy()
      return
    }
    const offset = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0)
    state.asked.push(offset)
    if (state.dead.has(url)) return send(response, deadLink, state)
    const nth = state.answered++
    const content = state.script.contents[nth] ?? state.script.contents.at(-1) ?? new Uint8Array()
    const good = blobAnswer(content, offset, request)
    const answer = state.script.blob?.[nth]?.(good, { link: () => url, elsewhere }) ?? good
    if (answer.killsLink === true) state.dead.add(url)
    send(response, answer, state)
  })

  const endpoint = yield* listen((request, response) => {
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
    send(response, answer)
  })

  const seen: FaultServer["seen"] = (result) => {
    const state = states.get(result)
    return {
      calls: state?.calls ?? 0,
      links: state?.linked.size ?? 0,
      asked: state?.asked ?? [],
      sent: state?.sent ?? 0,
    }
  }

  return {
    endpoint,
    seen,
    offences,
    underWay: () => underWay.size,
    received: (result, bytes) => {
      const state = states.get(result)
      if (state === undefined) return
      state.received += bytes
      goOn(state)
    },
  }
})

const linkPath = /^\/api\/machineactions\/([0-9a-f-]{36})\/GetLiveResponseResultDownloadLink\(index=(\d+)\)$/

export const linkAnswer = (link: string): Answer => ({
  status: 200,
  headers: { "content-type": "application/json" },
  body: linkBody(link),
})

/** What the storage answers where nothing is wrong: the whole, what is missing, or why not. */
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

/** Writes zeros as fast as the client takes them. */
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

/** Listens on a free port of this machine until the scope ends, and gives the origin. */
const listen = (handle: (request: IncomingMessage, response: ServerResponse) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly origin: string; readonly close: () => void }>((resume) => {
      const server = createServer(handle)
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        const close = () => {
          server.close()
          server.closeAllConnections()
        }
        resume(Effect.succeed({ origin: `http://127.0.0.1:${port}`, close }))
      })
    }),
    ({ close }) => Effect.sync(close),
  ).pipe(Effect.map(({ origin }) => origin))
