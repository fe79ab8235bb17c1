/** A proxy that passes requests on to a server, or does to them what a network or a busy server does. */
import { type IncomingMessage, request as httpRequest, type ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import { listen } from "./loopbackServer.ts"

/** A request as the proxy has read it. */
export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage["headers"]
  readonly bytes: Buffer
}

/**
 * - `dropped`: the connection breaks before the server has the request.
 * - `answerLost`: the server has done it, and the connection breaks before the answer.
 * - `answerCut`: it breaks after the first 1,000 bytes of the answer's body.
 * - `damaged`: one byte of the body is another one.
 */
export type Fault =
  | "dropped"
  | "answerLost"
  | "answerCut"
  | "damaged"
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }

const damage = (bytes: Buffer): Buffer => {
  const copy = Buffer.from(bytes)
  copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ 1
  return copy
}

const readAll = (request: IncomingMessage, then: (bytes: Buffer) => void) => {
  const chunks: Array<Buffer> = []
  request.on("data", (chunk: Buffer) => chunks.push(chunk))
  request.on("end", () => then(Buffer.concat(chunks)))
}

/** Sends a request to the server, and its answer back as far as the fault lets it. */
const pass = (origin: string, seen: Seen, response: ServerResponse, fault: Fault | undefined) => {
  const { headers, method, url } = seen
  const bytes = fault === "damaged" ? damage(seen.bytes) : seen.bytes
  const upstream = httpRequest(`${origin}${url}`, { method, headers }, (answer) => {
    if (fault === "answerLost") {
      answer.resume()
      response.destroy()
      return
    }
    response.writeHead(answer.statusCode ?? 500, answer.headers)
    if (fault !== "answerCut") {
      answer.pipe(response)
      return
    }
    answer.once("data", (data: Buffer) => response.write(data.subarray(0, 1000), () => response.destroy()))
  })
  upstream.on("error", () => response.destroy())
  upstream.end(bytes)
}

/** `faultOf` decides by a request and how many there were before it. All that was seen is in `seen`. */
export const faultyProxy = (origin: string, faultOf: (seen: Seen, nth: number) => Fault | undefined) => {
  const seen: Array<Seen> = []
  return Effect.map(
    listen((request, response) => {
      readAll(request, (bytes) => {
        const one = { method: request.method ?? "", url: request.url ?? "", headers: request.headers, bytes }
        const fault = faultOf(one, seen.length)
        seen.push(one)
        if (fault === "dropped") response.destroy()
        else if (typeof fault === "object") response.writeHead(fault.status, fault.headers).end(fault.body)
        else pass(origin, one, response, fault)
      })
    }),
    (origin) => ({ origin, seen }),
  )
}
