/** The API of the simulator: bearer tokens, call limits, download links and machine actions. */
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Actions from "./actions.ts"
import * as Blobs from "./blobs.ts"
import { apiError, outage, tooManyRequests } from "./errors.ts"
import * as Limits from "./limits.ts"
import type { Fault } from "./models.ts"

/** Which call of the API a request is. */
export type Operation = "link" | "list" | "action" | "run" | "cancel" | "machines"

export interface Api {
  readonly actions: Actions.Actions
  readonly blobs: Blobs.Blobs
  /** When each bearer token expires, in milliseconds. */
  readonly tokens: ReadonlyMap<string, number>
  readonly limiters: Readonly<Record<Operation, Limits.Limiter>>
  /** The faults that are left for requests to run a session. */
  readonly runFaults: Array<Fault>
  /** The origin of the links. Default: that of the request. */
  readonly blobOrigin: string | undefined
}

/** The rate limits that Microsoft documents for each call. Those of links and of runs can be changed. */
export const makeLimiters = (limits: {
  readonly linksPerMinute: number
  readonly linksPerHour: number
  readonly runsPerMinute: number
}): Api["limiters"] => ({
  link: Limits.perMinuteAndHour(limits.linksPerMinute, limits.linksPerHour),
  list: Limits.perMinuteAndHour(100, 1500),
  action: Limits.perMinuteAndHour(100, 1500),
  run: Limits.perMinute(limits.runsPerMinute),
  cancel: Limits.perMinuteAndHour(100, 1500),
  machines: Limits.perMinuteAndHour(100, 1500),
})

const linkPath = /^\/api\/machineactions\/([^/]+)\/GetLiveResponseResultDownloadLink\(index=(\d+)\)$/i

export const operationOf = (method: string, path: string): Operation | undefined => {
  if (linkPath.test(path)) return "link"
  if (method === "GET" && /^\/api\/machineactions\/?$/i.test(path)) return "list"
  if (method === "GET" && /^\/api\/machines\/?$/i.test(path)) return "machines"
  if (method === "GET" && /^\/api\/machineactions\/[^/]+$/i.test(path)) return "action"
  if (method === "POST" && /^\/api\/machineactions\/[^/]+\/cancel$/i.test(path)) return "cancel"
  return method === "POST" && /^\/api\/machines\/[^/]+\/runliveresponse$/i.test(path) ? "run" : undefined
}

/** The answer that a fault replaces, if it replaces one. */
const faultAnswer = (fault: Fault | undefined, limit: number, hasHeader: boolean) => {
  switch (fault?.fault) {
    case "throttle":
      return tooManyRequests(limit, "00:01:00", fault.retryAfter ?? 8, hasHeader)
    case "status":
      return apiError(fault.status, fault.code ?? "InternalError", "An error occurred.")
    default:
      return undefined
  }
}

const answerOf = (result: unknown, status = 200) =>
  result instanceof Actions.Rejection
    ? apiError(result.status, result.code, result.message)
    : HttpServerResponse.jsonUnsafe(result, { status })

/** The blob that a test added, or the result of a session that ran here. */
const blobOf = Effect.fnUntraced(function* (self: Api, id: string, index: number, now: number) {
  const blob = Blobs.find(self.blobs, id, index)
  const content = blob === undefined ? Actions.resultOf(self.actions, id, index, now) : undefined
  return content === undefined ? blob : yield* Blobs.add(self.blobs, id, index, { content })
})

const getLink = Effect.fnUntraced(function* (self: Api, url: URL, now: number) {
  const [, id = "", index] = linkPath.exec(url.pathname) ?? []
  const blob = yield* blobOf(self, id.toLowerCase(), Number(index), now)
  const fault = blob?.linkFaults.shift()
  const failed = faultAnswer(fault, 30, fault?.fault === "throttle" && fault.retryAfter !== undefined)
  if (failed !== undefined) return failed
  if (blob === undefined) return apiError(404, "ResourceNotFound", `Machine action ${id} was not found`)
  return HttpServerResponse.jsonUnsafe({
    "@odata.context": `${url.origin}/api/$metadata#Edm.String`,
    value: yield* Blobs.makeLink(self.blobs, blob, self.blobOrigin ?? url.origin, now),
  })
})

const list = (self: Api, url: URL, now: number) => {
  const page = Actions.list(self.actions, url.searchParams, now)
  if (page instanceof Actions.Rejection) return answerOf(page)
  const { nextSkip, value } = page
  if (nextSkip === undefined) return answerOf({ value })
  const next = new URL(url)
  next.searchParams.set("$skip", String(nextSkip))
  return answerOf({ value, "@odata.nextLink": next.href })
}

const run = Effect.fnUntraced(function* (self: Api, machineId: string, body: unknown, now: number) {
  const fault = self.runFaults.shift()
  const failed = faultAnswer(fault, 10, true)
  if (failed !== undefined) return failed
  const answer = answerOf(yield* Actions.run(self.actions, machineId, body, now), 201)
  return fault?.fault === "lost" ? outage(504) : answer
})

const decodeJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))

const bodyOf = (request: HttpServerRequest.HttpServerRequest) =>
  request.text.pipe(
    Effect.map((text) => Option.getOrUndefined(decodeJson(text))),
    Effect.orElseSucceed(() => undefined),
  )

/** The id of the machine or of the machine action in a path. */
const idOf = ({ pathname }: URL): string =>
  /(?<=machines\/|machineactions\/)[^/]+/i.exec(decodeURIComponent(pathname))?.[0] ?? ""

/** Answers a request to the API. */
export const handle = Effect.fnUntraced(function* (
  self: Api,
  request: HttpServerRequest.HttpServerRequest,
  url: URL,
  now: number,
) {
  const token = request.headers.authorization?.replace(/^Bearer /, "") ?? ""
  if ((self.tokens.get(token) ?? 0) <= now) {
    return apiError(401, "Unauthorized", "The token is missing, invalid or expired.")
  }
  const operation = operationOf(request.method, url.pathname)
  if (operation === undefined) return apiError(404, "NotFound", "No such resource.")
  const throttled = self.limiters[operation](now)
  if (throttled !== undefined) return tooManyRequests(throttled.limit, throttled.text, throttled.seconds, true)
  switch (operation) {
    case "link":
      return yield* getLink(self, url, now)
    case "list":
      return list(self, url, now)
    case "action":
      return answerOf(Actions.get(self.actions, idOf(url).toLowerCase(), now))
    case "run":
      return yield* run(self, idOf(url), yield* bodyOf(request), now)
    case "cancel":
      return answerOf(Actions.cancel(self.actions, idOf(url).toLowerCase(), yield* bodyOf(request), now))
    case "machines":
      return answerOf(Actions.listMachines(self.actions, url.searchParams))
  }
})
