/**
 * Plain requests to the simulator, as any client sends them.
 */
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

export const token = "token"

export const origin = "http://127.0.0.1"

export const layer = (options?: Simulator.Options) =>
  Layer.provideMerge(Simulator.layerHttpClient, Simulator.layer({ tokens: [token], ...options }))

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly bytes: Uint8Array
  readonly text: string
}

export const execute = Effect.fnUntraced(function* (request: HttpClientRequest.HttpClientRequest) {
  const response = yield* HttpClient.execute(request)
  const bytes = new Uint8Array(yield* response.arrayBuffer)
  const answer: Answer = {
    status: response.status,
    headers: response.headers,
    bytes,
    text: new TextDecoder().decode(bytes),
  }
  return answer
})

const authorized = { headers: { authorization: `Bearer ${token}` } }

export const get = (url: string) => execute(HttpClientRequest.get(url, authorized))

/** Follows a link, which gets no token. */
export const fetchLink = (
  url: string,
  headers: Readonly<Record<string, string>> = {},
  method: "GET" | "HEAD" = "GET",
) => execute(HttpClientRequest.make(method)(url, { headers }))

export const post = (url: string, body?: unknown) => {
  const request = HttpClientRequest.post(url, authorized)
  return execute(body === undefined ? request : HttpClientRequest.bodyJsonUnsafe(request, body))
}

export const remove = (url: string) => execute(HttpClientRequest.delete(url, authorized))

/** Uploads a form, of which a `File` is a part with a file name. */
export const upload = (fields: Readonly<Record<string, string | File>>) => {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  return execute(HttpClientRequest.bodyFormData(HttpClientRequest.post(`${origin}/api/libraryfiles`, authorized), form))
}

const ApiError = Schema.fromJsonString(
  Schema.Struct({ error: Schema.Struct({ code: Schema.String, message: Schema.String, target: Schema.String }) }),
)

export const errorOf = ({ text }: Answer) => Effect.map(Schema.decodeEffect(ApiError)(text), ({ error }) => error)

/** A page of a list. Any other answer fails. */
export const valuesOf = <A>(path: string, of: Schema.Codec<A>) =>
  Effect.flatMap(get(`${origin}${path}`), ({ text }) =>
    Schema.decodeEffect(
      Schema.fromJsonString(
        Schema.Struct({
          "@odata.context": Schema.String,
          "@odata.count": Schema.optionalKey(Schema.Int),
          "@odata.nextLink": Schema.optionalKey(Schema.String),
          value: Schema.Array(of),
        }),
      ),
    )(text),
  )
