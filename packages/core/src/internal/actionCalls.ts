/** The calls about one machine or one machine action. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Machine from "../Machine.ts"
import * as MachineAction from "../MachineAction.ts"
import * as MachineFilter from "../MachineFilter.ts"
import * as Permission from "../Permission.ts"
import * as Session from "../Session.ts"
import * as ApiCall from "./apiCall.ts"
import type { Api } from "./apiEndpoints.ts"
import * as ApiErrors from "./apiErrors.ts"
import type { Values } from "./odataExpression.ts"
import * as PageText from "./pageText.ts"
import * as RecordList from "./recordList.ts"
import { only } from "./scheduleCombinators.ts"
import * as SessionCheck from "./sessionCheck.ts"

/** An action may have commands with many errors. */
const actionLimit = 1024 * 1024

const actionUrl = ({ base }: Api, id: MachineAction.MachineActionId) => `${base}/api/machineactions/${id}`

/** Makes a call whose answer is a machine action. With `id`, an action with another id is not the answer. */
const actionCall = Effect.fnUntraced(function* <E = never>(
  { call }: Api,
  of: Omit<ApiCall.Call<E>, "bodyLimit">,
  id?: MachineAction.MachineActionId,
) {
  const { body, redact } = ApiCall.textOf(yield* call({ ...of, bodyLimit: actionLimit }))
  const value = Result.map(PageText.readWhole(body), redact)
  const action = yield* ApiErrors.orUnexpected(of.operation, Result.flatMap(value, MachineAction.fromApi), of.isOnce)
  if (id === undefined || action.id === id) return action
  return yield* ApiErrors.unexpected(of.operation, `it is another machine action, ${action.id}`)
})

export const get = (api: Api) =>
  Effect.fn("DefenderApi.get")(function* (id: MachineAction.MachineActionId) {
    yield* Effect.annotateCurrentSpan("live_response.action.id", id)
    const call = {
      ...(yield* api.endpoints.get),
      operation: `machine action ${id}`,
      request: HttpClientRequest.get(actionUrl(api, id), { acceptJson: true }),
      permission: Permission.actions,
      ifMissing: "check the id",
    }
    return yield* actionCall(api, call, id)
  })

export const wait = (api: Api) =>
  Effect.fn("DefenderApi.wait")(function* (id: MachineAction.MachineActionId) {
    yield* Effect.annotateCurrentSpan("live_response.action.id", id)
    const { creation, poll } = yield* api.timing
    return yield* get(api)(id).pipe(
      Effect.retry(only(creation, ApiErrors.hasReason("NotFound"))),
      Effect.repeat({ schedule: Schedule.passthrough(poll), until: ({ isFinal }) => isFinal }),
    )
  })

const machinesNamed = Effect.fnUntraced(
  function* (api: Api, name: string, spellings: Values) {
    const operation = `machine ${name}`
    const filter = encodeURIComponent(MachineFilter.is("computerDnsName", ...spellings).expression)
    const request = HttpClientRequest.get(`${api.base}/api/machines?$filter=${filter}`, { acceptJson: true })
    const of = { ...(yield* api.endpoints.machines), operation, request, permission: Permission.machines }
    const { items } = yield* ApiCall.records(api.call, of, Machine.fromApi)
    const [machines, unreadable] = Arr.partition(items, ({ record }) => record)
    if (unreadable.length > 0) return yield* ApiErrors.unexpected(operation, RecordList.describe(unreadable))
    return machines.filter(({ computerDnsName }) => computerDnsName === undefined || isSame(computerDnsName, name))
  },
  Effect.catchReason("DefenderError", "NotFound", () => Effect.succeed<ReadonlyArray<Machine.Machine>>([])),
)

const isSame = (left: string, right: string): boolean => left.toLowerCase() === right.toLowerCase()

/** A name in the other cases that names have, such as `WS-1.contoso.com`. */
const otherSpellings = (name: string): ReadonlyArray<string> => {
  const [host = ""] = name.split(".", 1)
  const [lower, upper] = [name.toLowerCase(), name.toUpperCase()]
  const spellings = new Set([lower, upper, host.toUpperCase() + lower.slice(host.length)])
  spellings.delete(name)
  return Array.from(spellings)
}

export const machinesOf = (api: Api) =>
  Effect.fn("DefenderApi.machinesOf")(function* (name: string) {
    const machines = yield* machinesNamed(api, name, [name])
    const [first, ...rest] = otherSpellings(name)
    return machines.length > 0 || first === undefined ? machines : yield* machinesNamed(api, name, [first, ...rest])
  })

/** The call that starts a session, by what it does. */
const startOf = ({ endpoints }: Api, session: Session.Session) =>
  Session.actionType(session) === "LiveResponse"
    ? {
        what: "live response",
        path: "runliveresponse",
        endpoint: endpoints.run,
        permission: Permission.run,
        body: Session.toApi(session),
      }
    : {
        what: "investigation package",
        path: "collectInvestigationPackage",
        endpoint: endpoints.collect,
        permission: Permission.packages,
        body: { Comment: session.comment },
      }

export const run = (api: Api) =>
  Effect.fn("DefenderApi.run")(function* <E = never>(
    machineId: string,
    session: Session.Session,
    options?: Pick<ApiCall.Call<E>, "beforeSend" | "onNothingDone" | "age">,
  ) {
    yield* Effect.annotateCurrentSpan("live_response.machine.id", machineId)
    const { body, endpoint, path, permission, what } = startOf(api, session)
    const operation = `${what} on ${machineId}`
    yield* SessionCheck.check(operation, session)
    return yield* actionCall<E>(api, {
      ...(yield* endpoint),
      operation,
      request: HttpClientRequest.post(`${api.base}/api/machines/${encodeURIComponent(machineId)}/${path}`, {
        acceptJson: true,
      }).pipe(HttpClientRequest.bodyJsonUnsafe(body)),
      permission,
      isOnce: true,
      beforeSend: options?.beforeSend,
      onNothingDone: options?.onNothingDone,
      age: options?.age,
      ifMissing: "check the machine's id: this tenant has no such machine, or you may not see it",
    })
  })

export const cancel = (api: Api) =>
  Effect.fn("DefenderApi.cancel")(function* (id: MachineAction.MachineActionId, comment: string) {
    yield* Effect.annotateCurrentSpan("live_response.action.id", id)
    const call = {
      ...(yield* api.endpoints.cancel),
      operation: `cancellation of ${id}`,
      request: HttpClientRequest.post(`${actionUrl(api, id)}/cancel`, { acceptJson: true }).pipe(
        HttpClientRequest.bodyJsonUnsafe({ Comment: comment }),
      ),
      permission: Permission.run,
      ifMissing: "check the id",
    }
    return yield* actionCall(api, call, id)
  })
