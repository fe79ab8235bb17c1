/** The faults that are left for coming requests, and how they change an answer. */
import * as HttpBody from "effect/http/HttpBody"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as Stream from "effect/Stream"
import { apiError, outage, tooManyRequests } from "./errors.ts"
import type { Fault } from "./inputs.ts"
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

const possibleOn = (target: Target): ReadonlyArray<Fault["fault"]> =>
  target === "blob" ? ofBlobs : target === "token" ? ofTokens : ofCalls

const Count = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1e9 }))

const StatusCode = Schema.Int.check(Schema.isBetween({ minimum: 400, maximum: 599 }))

/** One structure per fault, so that a member that is wrong is named as a member of its fault. */
const FaultSchema = Schema.Union([
  Schema.Struct({ fault: Schema.Literal("throttle"), retryAfter: Schema.optionalKey(Count) }),
  Schema.Struct({ fault: Schema.Literal("status"), status: StatusCode, code: Schema.optionalKey(Schema.String) }),
  Schema.Struct({ fault: Schema.Literal("cut"), after: Count }),
  Schema.Struct({ fault: Schema.Literal("stall"), after: Count }),
  Schema.Struct({ fault: Schema.Literal("expire") }),
  Schema.Struct({ fault: Schema.Literal("ignoreRange") }),
  Schema.Struct({ fault: Schema.Literal("lost") }),
  Schema.Struct({ fault: Schema.Literal("none") }),
])

/** A word of a list, which the message names also where the word is missing. */
const oneOf = <const Words extends ReadonlyArray<string>>(words: Words) => {
  const expected = `expected one of ${words.join(", ")}`
  return Schema.Literals(words).pipe(
    Schema.annotate({ message: expected }),
    Schema.annotateKey({ messageMissingKey: expected }),
  )
}

const Shape = Schema.Struct({
  on: oneOf([...operations, "blob", "token"]),
  faults: Schema.Array(Schema.Unknown).check(Schema.isMaxLength(1000)),
})

const decodeShape = Schema.decodeUnknownResult(Shape, { onExcessProperty: "error" })

const decodeFault = Schema.decodeUnknownResult(FaultSchema, { onExcessProperty: "error" })

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** The first member that is wrong, and what is expected there, as in `faults[0].after: Missing key`. */
const problemOf = ({ issue }: Schema.SchemaError, at: string): string => {
  const [first] = format(issue).issues
  const path = (first?.path ?? []).reduce<string>((text, part) => {
    const key = typeof part === "object" ? part.key : part
    return typeof key === "number" ? `${text}[${key}]` : `${text}${text === "" ? "" : "."}${String(key)}`
  }, at)
  return `${path === "" ? "" : `${path}: `}${first?.message ?? "not valid"}`
}

/** The body of a request for faults, or the member of it that is wrong. */
export const decode = (
  body: unknown,
): Result.Result<{ readonly on: Target; readonly faults: ReadonlyArray<Fault> }, string> =>
  Result.gen(function* () {
    const { faults: texts, on } = yield* Result.mapError(decodeShape(body), (error) => problemOf(error, ""))
    const decodeKind = Schema.decodeUnknownResult(Schema.Struct({ fault: oneOf(possibleOn(on)) }))
    const faults: Array<Fault> = []
    for (const [i, text] of texts.entries()) {
      const at = (error: Schema.SchemaError) => problemOf(error, `faults[${i}]`)
      yield* Result.mapError(decodeKind(text), at)
      faults.push(yield* Result.mapError(decodeFault(text), at))
    }
    return { on, faults }
  })
