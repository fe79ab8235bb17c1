/**
 * A tenant's library and machines as Microsoft documents them: plain `node:http`, which shares no code with the project. It
 * records every request, so that a test can check what was sent.
 */
import { createHash } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { listen } from "./loopbackServer.ts"

export interface Answer {
  readonly status: number
  readonly body?: unknown
  /** The body where it is not JSON. */
  readonly bytes?: Uint8Array
  readonly headers?: Readonly<Record<string, string>>
}

/** What becomes of a request in place of its answer. */
export type Fault =
  | Answer
  /** The connection breaks once this many bytes of the request have arrived. The server does nothing. */
  | { readonly cutAfter: number }
  /** The server does what was asked for, and the connection breaks before the answer. */
  | "lost"

export interface Recorded {
  readonly method: string
  /** The path and the query as they were sent. */
  readonly url: string
  readonly query: URLSearchParams
  readonly path: string
  readonly body: Buffer
  readonly authorization: string | undefined
}

export interface StoredFile {
  readonly fileName: string
  readonly content: Buffer
  readonly description: string | null
  readonly hasParameters: boolean
  readonly parametersDescription: string | null
  /** How often it was written. */
  readonly writes: number
}

export interface Options {
  readonly machines?: ReadonlyArray<Readonly<Record<string, unknown>>>
  /** The faults of requests. `nth` counts the requests of one method and path, from 1. */
  readonly fault?: (method: string, path: string, nth: number) => Fault | undefined
  /** What the library stores of an upload, in place of its bytes. */
  readonly mangle?: (content: Buffer) => Buffer
  /** Answers what is neither the library nor the machines. */
  readonly other?: (request: Recorded) => Answer | undefined
}

export const bearer = "a-token-of-a-tenant"

/** What leads the command line to a server. */
export const envOf = ({ endpoint }: { readonly endpoint: string }) => ({
  LIVE_RESPONSE_ENDPOINT: endpoint,
  LIVE_RESPONSE_TOKEN: bearer,
})

const error = (status: number, code: string, message: string): Answer => ({
  status,
  body: { error: { code, message, target: "43f4cb08-8fac-4b65-9db1-745c2ae65f3a" } },
})

const sha256 = (content: Buffer): string => createHash("sha256").update(content).digest("hex")

const entityOf = (file: StoredFile) => ({
  fileName: file.fileName,
  sha256: sha256(file.content),
  description: file.description,
  creationTime: "2026-11-01T08:00:00.1234567Z",
  lastUpdatedTime: "2026-11-02T08:00:00.1234567Z",
  createdBy: "soc@contoso.com",
  hasParameters: file.hasParameters,
  parametersDescription: file.parametersDescription,
})

/** Serves until the scope ends. */
export const serve = Effect.fnUntraced(function* (options: Options = {}) {
  const files = new Map<string, StoredFile>()
  const requests: Array<Recorded> = []
  const counts = new Map<string, number>()
  const machines = [...(options.machines ?? [])]

  const put = (fileName: string, sent: Buffer, form: FormData): Answer => {
    const content = options.mangle?.(sent) ?? sent
    const text = (name: string) => {
      const value = form.get(name)
      return typeof value === "string" ? value : null
    }
    const known = files.get(fileName)
    if (known !== undefined && text("OverrideIfExists") !== "true") {
      return error(400, "InvalidInput", `File ${fileName} already exists.`)
    }
    if (content.length > 20 * 1024 * 1024) return error(400, "InvalidInput", "The file is too large.")
    const stored: StoredFile = {
      fileName,
      content,
      description: text("Description"),
      hasParameters: text("HasParameters") === "true",
      parametersDescription: text("ParametersDescription"),
      writes: (known?.writes ?? 0) + 1,
    }
    files.set(fileName, stored)
    return { status: 200, body: entityOf(stored) }
  }

  /** The platform's own parser of forms reads the upload. */
  const upload = ({ body }: Recorded, contentType: string): Promise<Answer> =>
    new Response(new Uint8Array(body), { headers: { "content-type": contentType } }).formData().then((form) => {
      const file = form.get("file")
      if (file === null || typeof file === "string") return error(400, "InvalidInput", "The file is missing.")
      return file.arrayBuffer().then((bytes) => put(file.name, Buffer.from(bytes), form))
    })

  const answerOf = (request: Recorded, headers: IncomingMessage["headers"]): Answer | Promise<Answer> => {
    const { method, path, query } = request
    if (!path.startsWith("/api/")) return options.other?.(request) ?? { status: 404 }
    if (headers.authorization !== `Bearer ${bearer}`) return error(401, "Unauthorized", "The token is invalid.")
    if (path === "/api/libraryfiles" && method === "GET") {
      return {
        status: 200,
        body: { "@odata.context": "$metadata#LibraryFiles", value: [...files.values()].map(entityOf) },
      }
    }
    if (path === "/api/libraryfiles" && method === "POST") return upload(request, headers["content-type"] ?? "")
    const [, name] = /^\/api\/libraryfiles\/([^/]+)$/.exec(path) ?? []
    if (name !== undefined && method === "DELETE") {
      return files.delete(decodeURIComponent(name)) ? { status: 204 } : error(404, "NotFound", "No such file.")
    }
    if (path === "/api/machines" && method === "GET") return listMachines(query)
    if (path === "/api/machines/findbytag" && method === "GET") {
      const tag = query.get("tag") ?? ""
      const isPrefix = query.get("useStartsWithFilter") === "true"
      const found = machines.filter(({ machineTags }) =>
        (Array.isArray(machineTags) ? machineTags : []).some((one) =>
          isPrefix ? String(one).startsWith(tag) : one === tag,
        ),
      )
      return { status: 200, body: { value: found } }
    }
    const [, id] = /^\/api\/machines\/([^/]+)$/.exec(path) ?? []
    const machine = machines.find((one) => one["id"] === id)
    if (id !== undefined && machine !== undefined && method === "GET") return { status: 200, body: machine }
    return options.other?.(request) ?? error(404, "ResourceNotFound", "No such resource.")
  }

  /** It does not filter: the tests look at what was asked for. */
  const listMachines = (query: URLSearchParams): Answer => {
    const skip = Number(query.get("$skip") ?? 0)
    const page = machines.slice(skip, skip + Number(query.get("$top") ?? 10_000))
    return page.length === 0 ? error(404, "NotFound", "No recent machine.") : { status: 200, body: { value: page } }
  }

  const respond = (response: ServerResponse, { body, bytes, headers = {}, status }: Answer) => {
    if (bytes !== undefined) {
      response.writeHead(status, { "content-type": "application/zip", "content-length": bytes.length, ...headers })
      return void response.end(bytes)
    }
    response.writeHead(status, { "content-type": "application/json", ...headers })
    response.end(body === undefined ? undefined : JSON.stringify(body))
  }

  const handle = (request: IncomingMessage, response: ServerResponse) => {
    const { headers, method = "", url = "" } = request
    const { pathname: path, searchParams: query } = new URL(url, "http://localhost")
    const nth = (counts.get(`${method} ${path}`) ?? 0) + 1
    counts.set(`${method} ${path}`, nth)
    const fault = options.fault?.(method, path, nth)
    const chunks: Array<Buffer> = []
    let size = 0
    const record = (): Recorded => {
      const recorded = { method, url, path, query, body: Buffer.concat(chunks), authorization: headers.authorization }
      requests.push(recorded)
      return recorded
    }
    request.on("data", (chunk: Buffer) => {
      chunks.push(chunk)
      size += chunk.length
      if (typeof fault !== "object" || !("cutAfter" in fault) || size < fault.cutAfter || request.destroyed) return
      record()
      request.destroy()
    })
    request.on("end", () => {
      const recorded = record()
      if (typeof fault === "object" && "status" in fault) return respond(response, fault)
      void Promise.resolve(answerOf(recorded, headers)).then((answer) =>
        fault === "lost" ? request.socket.destroy() : respond(response, answer),
      )
    })
  }

  const endpoint = yield* listen(handle)
  return {
    endpoint,
    files,
    machines,
    /** The requests so far, all of them or those of a method and a path. */
    requests: (method?: string, path?: string): ReadonlyArray<Recorded> =>
      requests.filter(
        (one) => (method === undefined || one.method === method) && (path === undefined || one.path === path),
      ),
  }
}) satisfies (options?: Options) => Effect.Effect<unknown, never, Scope.Scope>
