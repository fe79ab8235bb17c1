/**
 * The routes by which a program in another process has faults: `/simulator/faults` and `/simulator/outage`. They need no token,
 * but a body in JSON, which a page in a browser can't send to another origin without asking.
 */
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { apiError, type Rejection } from "./errors.ts"
import * as Faults from "./faults.ts"
import { jsonOf } from "./requestBody.ts"

export interface Control {
  readonly faults: Faults.Faults
  isOut: boolean
}

const paths: ReadonlySet<string> = new Set(["/simulator/faults", "/simulator/outage"])

export const isControlPath = (pathname: string): boolean => paths.has(pathname)

const decodeFaults = Schema.decodeUnknownOption(Faults.Request, { onExcessProperty: "error" })

const decodeOutage = Schema.decodeUnknownOption(Schema.Struct({ isOut: Schema.Boolean }), { onExcessProperty: "error" })

const stateOf = ({ faults, isOut }: Control) =>
  HttpServerResponse.jsonUnsafe({
    isOut,
    faults: Object.fromEntries([...faults].filter(([, left]) => left.length > 0)),
  })

const invalid = (expected: string) => apiError(400, "InvalidRequestBody", `The body is not ${expected}, as JSON.`)

const addFaults = (self: Control, body: unknown): Rejection | undefined | "invalid" => {
  const request = Option.getOrUndefined(decodeFaults(body))
  if (request === undefined) return "invalid"
  const problem = Faults.check(request.on, request.faults)
  if (problem === undefined) Faults.add(self.faults, request.on, request.faults)
  return problem
}

const change = (self: Control, pathname: string, body: unknown) => {
  if (pathname === "/simulator/outage") {
    const request = Option.getOrUndefined(decodeOutage(body))
    if (request === undefined) return invalid('{"isOut": true}')
    self.isOut = request.isOut
    return stateOf(self)
  }
  const problem = addFaults(self, body)
  if (problem === "invalid") return invalid('{"on": "blob", "faults": [{"fault": "cut", "after": 1000}]}')
  return problem === undefined ? stateOf(self) : apiError(problem.status, problem.code, problem.message)
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
