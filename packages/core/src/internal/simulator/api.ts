/** The API of the simulator: bearer tokens, call limits, and what each call is answered with. */
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { isForDefender } from "../../AccessToken.ts"
import * as CallLimits from "../callLimits.ts"
import * as ActionRequests from "./actionRequests.ts"
import * as Actions from "./actions.ts"
import * as Blobs from "./blobs.ts"
import type { AccessToken } from "./entraTokens.ts"
import { apiError, Rejection, tooManyRequests } from "./errors.ts"
import * as Faults from "./faults.ts"
import * as Library from "./library.ts"
import * as Machines from "./machines.ts"
import * as ODataQuery from "./odataQuery.ts"
import * as Packages from "./packages.ts"
import { jsonOf } from "./requestBody.ts"
import type { Operation, Route } from "./routes.ts"
import * as Throttling from "./throttling.ts"

export interface Api {
  readonly actions: Actions.Actions
  readonly blobs: Blobs.Blobs
  readonly packages: Packages.Packages
  readonly tokens: ReadonlyMap<string, AccessToken>
  readonly limiters: Readonly<Record<Operation, Throttling.Limiter>>
  readonly faults: Faults.Faults
  /** The origin of the links. Default: that of the request. */
  readonly blobOrigin: string | undefined
}

/** The limits of every call that has none of its own. */
const usual = () => Throttling.perMinuteAndHour(CallLimits.otherCalls)

/** The rate limits that Microsoft documents for each call. Those of links and of runs can be changed. */
export const makeLimiters = (limits: {
  readonly linksPerMinute: number
  readonly linksPerHour: number
  readonly runsPerMinute: number
}): Api["limiters"] => ({
  link: Throttling.perMinuteAndHour({ perMinute: limits.linksPerMinute, perHour: limits.linksPerHour }),
  list: usual(),
  action: usual(),
  run: Throttling.perMinute(limits.runsPerMinute),
  cancel: usual(),
  respond: usual(),
  packageLink: Throttling.perMinuteAndHour(CallLimits.packageLinks),
  machines: usual(),
  machine: usual(),
  machinesByTag: usual(),
  library: usual(),
  upload: usual(),
  delete: usual(),
})

const refusal = ({ code, message, status }: Rejection) => apiError(status, code, message)

const answerOf = (result: unknown, status = 200) =>
  result instanceof Rejection ? refusal(result) : HttpServerResponse.jsonUnsafe(result, { status })

const contextOf = (url: URL, of: string) => ({ "@odata.context": `${url.origin}/api/$metadata#${of}` })

/** One record. */
const entityAnswer = (url: URL, entitySet: string, record: Rejection | object, status = 200) =>
  answerOf(record instanceof Rejection ? record : { ...contextOf(url, `${entitySet}/$entity`), ...record }, status)

/** A page of a list, with the address of the next one. */
const pageAnswer = (url: URL, entitySet: string, page: Rejection | ODataQuery.Page) => {
  if (page instanceof Rejection) return refusal(page)
  const next = new URL(url)
  if (page.next !== undefined) next.searchParams.set("$skip", String(page.next.skip))
  if (page.next?.top !== undefined) next.searchParams.set("$top", String(page.next.top))
  return answerOf({
    ...contextOf(url, entitySet),
    ...(page.count === undefined ? {} : { "@odata.count": page.count }),
    value: page.value,
    ...(page.next === undefined ? {} : { "@odata.nextLink": next.href }),
  })
}

/** The blob that a test added, or the result of a session that ran here. */
const blobOf = Effect.fnUntraced(function* (self: Api, id: string, index: number, now: number) {
  const blob = Blobs.find(self.blobs, id, index)
  const result = blob === undefined ? Actions.resultOf(self.actions, id, index, now) : undefined
  return result === undefined ? blob : yield* Blobs.add(self.blobs, id, index, result, now)
})

const getLink = Effect.fnUntraced(function* (self: Api, { id, index }: Route, url: URL, now: number) {
  const blob = yield* blobOf(self, id.toLowerCase(), index, now)
  const fault = blob?.linkFaults.shift()
  const hasHeader = fault?.fault === "throttle" && fault.retryAfter !== undefined
  const failed = Faults.replaced(fault, self.limiters.link.perMinute, hasHeader)
  if (failed !== undefined) return failed
  if (blob === undefined) {
    const action = Actions.get(self.actions, id.toLowerCase(), now)
    if (action instanceof Rejection) return refusal(action)
    return apiError(404, "ResourceNotFound", `Machine action ${id} has no result ${index}`)
  }
  return HttpServerResponse.jsonUnsafe({
    ...contextOf(url, "Edm.String"),
    value: yield* Blobs.makeLink(self.blobs, blob, self.blobOrigin ?? url.origin, now),
  })
})

const getPackageLink = Effect.fnUntraced(function* (self: Api, { id }: Route, url: URL, now: number) {
  const action = Actions.packageOf(self.actions, id.toLowerCase(), now)
  if (action instanceof Rejection) return refusal(action)
  const value = yield* Packages.makeLink(self.packages, action.id, self.blobOrigin ?? url.origin, now)
  return answerOf({ ...contextOf(url, "Edm.String"), value })
})

const remove = ({ actions }: Api, name: string) => {
  const problem = Library.remove(actions.library, name)
  return problem === undefined ? HttpServerResponse.empty({ status: 204 }) : refusal(problem)
}

/** The calls that check the options of their query themselves. No other has any. */
const hasOptions: ReadonlySet<Operation> = new Set<Operation>(["list", "machines", "machinesByTag"])

/** What a call is answered with, if it is within the limits. */
const answer = Effect.fnUntraced(function* (
  self: Api,
  route: Route,
  request: HttpServerRequest.HttpServerRequest,
  url: URL,
  now: number,
) {
  const { actions } = self
  const { machines } = actions
  const { id, isCount } = route
  const params = url.searchParams
  const unknownOption = hasOptions.has(route.operation) ? undefined : ODataQuery.rejectAny(params)
  if (unknownOption !== undefined) return refusal(unknownOption)
  const actionAnswer = (action: Rejection | object, status = 200) =>
    entityAnswer(url, Actions.entitySet.name, action, status)
  switch (route.operation) {
    case "link":
      return yield* getLink(self, route, url, now)
    case "list":
      if (isCount) return answerOf(Actions.count(actions, params, now))
      return pageAnswer(url, Actions.entitySet.name, Actions.list(actions, params, now))
    case "action":
      return actionAnswer(Actions.get(actions, id.toLowerCase(), now))
    case "run":
      return actionAnswer(yield* ActionRequests.run(actions, id, yield* jsonOf(request), now), 201)
    case "respond": {
      const body = yield* jsonOf(request)
      return actionAnswer(yield* ActionRequests.respond(actions, id, route.last, body, now), 201)
    }
    case "packageLink":
      return yield* getPackageLink(self, route, url, now)
    case "cancel":
      return actionAnswer(Actions.cancel(actions, id.toLowerCase(), yield* jsonOf(request), now))
    case "machines":
      if (isCount) return answerOf(Machines.count(machines, params, now))
      return pageAnswer(url, Machines.entitySet.name, Machines.list(machines, params, actions.options.pageSize, now))
    case "machine":
      return entityAnswer(url, Machines.entitySet.name, Machines.get(machines, id, now))
    case "machinesByTag": {
      const found = Machines.findByTag(machines, params, now)
      return answerOf(found instanceof Rejection ? found : { ...contextOf(url, Machines.entitySet.name), ...found })
    }
    case "library":
      return answerOf({ ...contextOf(url, "LibraryFiles"), value: Library.list(actions.library) })
    case "upload":
      return entityAnswer(url, "LibraryFiles", yield* Library.upload(actions.library, request, now))
    case "delete":
      return remove(self, id)
  }
})

/** Why a bearer token is refused. One for another API is a 403 and not a 401, as the service has it. */
const tokenProblem = ({ tokens }: Api, authorization: string | undefined, now: number) => {
  const token = tokens.get(authorization?.replace(/^Bearer /i, "") ?? "")
  if (token === undefined || token.expiresAt <= now) {
    return apiError(401, "Unauthorized", "The token is missing, invalid or expired.")
  }
  return token.audience === undefined || isForDefender({ aud: token.audience })
    ? undefined
    : apiError(403, "Forbidden", `The token is for ${token.audience}, which is another API.`)
}

/** Answers a request to the API. Without a route it is a resource that the service does not have. */
export const handle = Effect.fnUntraced(function* (
  self: Api,
  route: Route | undefined,
  request: HttpServerRequest.HttpServerRequest,
  url: URL,
  now: number,
) {
  const problem = tokenProblem(self, request.headers.authorization, now)
  if (problem !== undefined) return problem
  if (route === undefined) return apiError(404, "NotFound", "No such resource.")
  const { perMinute, throttle } = self.limiters[route.operation]
  const throttled = throttle(now)
  if (throttled !== undefined) return tooManyRequests(throttled.limit, throttled.text, throttled.seconds, true)
  const fault = Faults.next(self.faults, route.operation)
  return (
    Faults.replaced(fault, perMinute, true) ?? Faults.delivered(yield* answer(self, route, request, url, now), fault)
  )
})
