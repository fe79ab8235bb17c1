/**
 * The routes by which a program in another process has faults: `/simulator/faults` and `/simulator/outage`. They need no token,
 * but a body in JSON, which a page in a browser can't send to another origin without asking.
 */
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { apiError } from "./errors.ts"
import * as Faults from "./faults.ts"
import { jsonOf } from "./requestBody.ts"

export interface Control {
  readonly faults: Faults.Faults
  isOut: boolean
}

const paths: ReadonlySet<string> = new Set(["/simulator/faults", "/simulator/outage"])

export const isControlPath = (pathname: string): boolean => paths.has(pathname)

const decodeOutage = Schema.decodeUnknownOption(Schema.Struct({ isOut: Schema.Boolean }), { onExcessProperty: "error" })

const stateOf = ({ faults, isOut }: Control) =>
  HttpServerResponse.jsonUnsafe({
    isOut,
    faults: Object.fromEntries([...faults].filter(([, left]) => left.length > 0)),
  })

const example = '{"on": "blob", "faults": [{"fault": "cut", "after": 1000}]}'

const invalid = (expected: string) => apiError(400, "InvalidRequestBody", `The body is not ${expected}, as JSON.`)

const change = (self: Control, pathname: string, body: unknown) => {
  if (pathname === "/simulator/outage") {
    const request = Option.getOrUndefined(decodeOutage(body))
    if (request === undefined) return invalid('{"isOut": true}')
    self.isOut = request.isOut
    return stateOf(self)
  }
  const request = Faults.decode(body)
  if (Result.isFailure(request)) {
    return apiError(400, "InvalidRequestBody", `${request.failure}. An example is ${example}.`)
  }
  Faults.add(self.faults, request.success.on, request.success.faults)
  return stateOf(self)
}

/** Answers a request of a program that tests itself: GET reads the faults that are left, POST adds some, DELETE removes all. */
export const handle = Effect.fnUntraced(function* (
  self: Control,
  request: HttpServerRequest.HttpServerRequest,
  { pathname }: URL,
) {
  switch (request.method) {
    case "GET":
      return stateOf(self)
    case "POST":
      return request.headers["content-type"]?.toLowerCase().startsWith("application/json") === true
        ? change(self, pathname, yield* jsonOf(request))
        : apiError(415, "UnsupportedMediaType", "The Content-Type is not application/json.")
    case "DELETE":
      self.faults.clear()
      self.isOut = false
      return stateOf(self)
    default:
      return apiError(405, "MethodNotAllowed", "Only GET, POST and DELETE are supported.")
  }
})
