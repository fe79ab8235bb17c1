/**
 * A proxy in front of the reference server's storage. It sends bodies at a limited pace, so that a kill can interrupt one, counts
 * their bytes, and injects faults into some.
 */
import { get, type IncomingMessage, type ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import { listen } from "../../node/test/support/loopbackServer.ts"

/** A fault that is injected once, when a body of the result reaches the byte `at`. */
export interface Fault {
  /** `whole` cuts the body as well, and answers the next range request with the whole content. */
  readonly kind: "cut" | "reset" | "stall" | "whole"
  readonly at: number
}

/** How far a result has come since the last `startRun`. */
export interface Reach {
  /** The offset of the first byte that its latest body did not send. */
  readonly end: number
  /** How many bytes all its bodies sent. */
  readonly sent: number
}

/** A body sends this many bytes, then pauses: 64 KiB every 15 ms are 4 MB/s. */
const slice = 64 * 1024
const pause = "15 millis"

const connectionHeaders = new Set(["connection", "keep-alive", "transfer-encoding"])

/** Requests a blob from the storage. */
const request = (url: string, headers: Readonly<Record<string, string>>) =>
  Effect.callback<{ readonly answer: IncomingMessage; readonly body: Buffer }>((resume) => {
    get(url, { headers }, (answer) => {
      const chunks: Array<Buffer> = []
      answer.on("data", (chunk: Buffer) => chunks.push(chunk))
      answer.on("end", () => resume(Effect.succeed({ answer, body: Buffer.concat(chunks) })))
    }).on("error", (error) => resume(Effect.die(error)))
  })

/** Serves until the scope closes. */
export const make = Effect.fnUntraced(function* (planned: ReadonlyMap<string, Fault>) {
  const links = new Map<string, { readonly result: string; readonly url: string }>()
  const faults = new Map(planned)
  const whole = new Set<string>()
  const injected: Record<Fault["kind"], number> = { cut: 0, reset: 0, stall: 0, whole: 0 }
  let reached = new Map<string, Reach>()
  let sent = 0

  const send = (response: ServerResponse, result: string, end: number, bytes: Uint8Array) =>
    Effect.callback<void>((resume) => {
      const done = () => resume(Effect.void)
      sent += bytes.length
      reached.set(result, { end, sent: (reached.get(result)?.sent ?? 0) + bytes.length })
      response.once("close", done)
      response.write(bytes, () => {
        response.off("close", done)
        done()
      })
    })

  const inject = (response: ServerResponse, result: string, { kind }: Fault) => {
    faults.delete(result)
    if (kind === "whole") whole.add(result)
    else injected[kind]++
    if (kind === "reset") response.socket?.resetAndDestroy()
    else if (kind !== "stall") response.destroy()
  }

  const sendBody = Effect.fnUntraced(function* (
    response: ServerResponse,
    result: string,
    start: number,
    body: Uint8Array,
  ) {
    const end = start + body.length
    for (let position = start; !response.closed;) {
      const fault = faults.get(result)
      const faultAt = fault === undefined ? Infinity : Math.max(start, fault.at)
      const next = Math.min(position + slice, end, faultAt)
      if (next > position) yield* send(response, result, next, body.subarray(position - start, next - start))
      position = next
      if (fault !== undefined && position === faultAt) return inject(response, result, fault)
      if (position === end) return void response.end()
      yield* Effect.sleep(pause)
    }
  })

  const handle = Effect.fnUntraced(function* (incoming: IncomingMessage, response: ServerResponse) {
    response.on("error", () => response.destroy())
    const link = links.get(incoming.url ?? "")
    if (link === undefined) return void response.writeHead(404).end()
    const { "if-match": etag, range } = incoming.headers
    const isWhole = range !== undefined && whole.delete(link.result)
    if (isWhole) injected.whole++
    const { answer, body } = yield* request(link.url, {
      ...(range === undefined || isWhole ? {} : { range }),
      ...(etag === undefined ? {} : { "if-match": etag }),
    })
    const status = answer.statusCode ?? 0
    const headers = Object.entries(answer.headers).filter(([name]) => !connectionHeaders.has(name))
    response.writeHead(status, Object.fromEntries(headers))
    response.flushHeaders()
    if (status >= 300) return void response.end(body)
    const start = Number(/^bytes (\d+)-/.exec(answer.headers["content-range"] ?? "")?.[1] ?? 0)
    yield* sendBody(response, link.result, start, body)
  })

  const services = yield* Effect.context()
  const run = (handled: Effect.Effect<void>) =>
    void Effect.runForkWith(services)(Effect.tapCause(handled, (cause) => Effect.logError(cause)))
  const origin = yield* listen((request, response) => run(handle(request, response)))

  return {
    /** A link through this proxy to the result at `url`. */
    through: (url: string, result: string): string => {
      const { pathname, search } = new URL(url)
      links.set(pathname + search, { result, url })
      return `${origin}${pathname}${search}`
    },
    injected,
    /** How many bytes of results were sent. */
    sent: () => sent,
    /** Call this before a new process starts. */
    startRun: () => {
      reached = new Map()
    },
    /** What the proxy has sent since then, by result. */
    reached: (): ReadonlyMap<string, Reach> => reached,
  }
})
