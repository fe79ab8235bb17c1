/** The faults that are left for coming requests, and how they change an answer. */
import * as HttpBody from "effect/http/HttpBody"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { apiError, outage, reject, type Rejection, tooManyRequests } from "./errors.ts"
import type { Fault } from "./models.ts"
import { type Operation, operations } from "./routes.ts"

/** What faults can happen to: a call of the API, bytes of the storage, or a token. */
export type Target = Operation | "blob" | "token"

export type Faults = Map<Target, Array<Fault>>

export const next = (self: Faults, target: Target): Fault | undefined => self.get(target)?.shift()

export const add = (self: Faults, target: Target, faults: ReadonlyArray<Fault>): void => {
  self.set(target, [...(self.get(target) ?? []), ...faults])
}

/** The answer of the API that a fault replaces, if it replaces one. */
export const replaced = (fault: Fault | undefined, limit: number, hasHeader: boolean) => {
  switch (fault?.fault) {
    case "throttle":
      return tooManyRequests(limit, "00:01:00", fault.retryAfter ?? 8, hasHeader)
    case "status":
      return apiError(fault.status, fault.code ?? "InternalError", "An error occurred.")
    default:
      return undefined
  }
}

/** Bytes that break off, or never end. */
export const broken = (bytes: (end: number) => Stream.Stream<Uint8Array>, fault: Fault | undefined) => {
  switch (fault?.fault) {
    case "cut":
      return Stream.concat(bytes(fault.after), Stream.fail("cut"))
    case "stall":
      return Stream.concat(bytes(fault.after), Stream.never)
    default:
      return undefined
  }
}

/** What arrives of an answer of the API. */
export const delivered = (response: HttpServerResponse.HttpServerResponse, fault: Fault | undefined) => {
  if (fault?.fault === "lost") return outage(504)
  const { body } = response
  if (body._tag !== "Uint8Array") return response
  const stream = broken((end) => Stream.succeed(body.body.subarray(0, end)), fault)
  return stream === undefined
    ? response
    : HttpServerResponse.setBody(response, HttpBody.stream(stream, body.contentType, body.contentLength))
}

const ofCalls: ReadonlyArray<Fault["fault"]> = ["throttle", "status", "cut", "stall", "lost", "none"]
const ofBlobs: ReadonlyArray<Fault["fault"]> = ["status", "expire", "cut", "stall", "ignoreRange", "none"]
const ofTokens: ReadonlyArray<Fault["fault"]> = ["throttle", "status", "stall", "none"]

/** Rejects a fault that can't happen to its target. */
export const check = (target: Target, faults: ReadonlyArray<Fault>): Rejection | undefined => {
  const possible = target === "blob" ? ofBlobs : target === "token" ? ofTokens : ofCalls
  const impossible = faults.find(({ fault }) => !possible.includes(fault))
  return impossible === undefined
    ? undefined
    : reject(400, "InvalidInput", `A ${target} has no fault '${impossible.fault}', only ${possible.join(", ")}.`)
}

const Count = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1e9 }))

const FaultSchema = Schema.Union([
  Schema.Struct({ fault: Schema.Literal("throttle"), retryAfter: Schema.optionalKey(Count) }),
  Schema.Struct({
    fault: Schema.Literal("status"),
    status: Schema.Int.check(Schema.isBetween({ minimum: 400, maximum: 599 })),
    code: Schema.optionalKey(Schema.String),
  }),
  Schema.Struct({ fault: Schema.Literals(["cut", "stall"]), after: Count }),
  Schema.Struct({ fault: Schema.Literals(["expire", "ignoreRange", "lost", "none"]) }),
])

/** The body of a request for faults. */
export const Request = Schema.Struct({
  on: Schema.Literals([...operations, "blob", "token"]),
  faults: Schema.Array(FaultSchema).check(Schema.isMaxLength(1000)),
})
