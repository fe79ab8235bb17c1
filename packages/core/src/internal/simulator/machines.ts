/** The machines of the simulator, in the shape of the API. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import { type Rejection, reject } from "./errors.ts"
import type { Machine, MachineRecord } from "./inputs.ts"
import type { Row } from "./odataFilter.ts"
import * as ODataQuery from "./odataQuery.ts"

export interface KnownMachine {
  readonly machine: Machine
  /** Counts the machines from 0. */
  readonly number: number
  readonly addedAt: number
  readonly onlineAt: number
}

/** By id, in the case that they were added with. */
export type Machines = Map<string, KnownMachine>

export const add = (self: Machines, machine: Machine, now: number): void => {
  const onlineAt = now + Duration.toMillis(machine.offline ?? 0)
  self.set(machine.id, { machine, number: self.size, addedAt: now, onlineAt })
}

/** @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-machines */
export const entitySet: ODataQuery.EntitySet = {
  name: "Machines",
  properties: [
    "id",
    "computerDnsName",
    "firstSeen",
    "lastSeen",
    "osPlatform",
    "osProcessor",
    "osArchitecture",
    "osBuild",
    "version",
    "lastIpAddress",
    "lastExternalIpAddress",
    "healthStatus",
    "onboardingStatus",
    "rbacGroupId",
    "rbacGroupName",
    "riskScore",
    "exposureLevel",
    "deviceValue",
    "isAadJoined",
    "aadDeviceId",
    "machineTags",
    "ipAddresses",
  ],
  filterable: [
    "computerDnsName",
    "id",
    "version",
    "deviceValue",
    "aadDeviceId",
    "machineTags",
    "lastSeen",
    "exposureLevel",
    "onboardingStatus",
    "lastIpAddress",
    "healthStatus",
    "osPlatform",
    "riskScore",
    "rbacGroupId",
  ],
  types: { aadDeviceId: "guid", machineTags: "texts", lastSeen: "time", rbacGroupId: "number" },
}

/** After this time without a sign of life a machine is inactive. */
const inactiveAfter = Duration.toMillis("7 days")

const iso = (millis: number) => DateTime.formatIso(DateTime.makeUnsafe(millis))

const recordOf = ({ addedAt, machine, number, onlineAt }: KnownMachine, now: number): MachineRecord => {
  const isInactive = onlineAt - addedAt > inactiveAfter && onlineAt > now
  const address = `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`
  return {
    id: machine.id,
    computerDnsName: machine.name ?? null,
    firstSeen: iso(addedAt - Duration.toMillis("30 days")),
    lastSeen: iso(onlineAt <= now ? now : addedAt - (isInactive ? inactiveAfter : Duration.toMillis("1 hour"))),
    osPlatform: "Windows11",
    osProcessor: "x64",
    osArchitecture: "64-bit",
    osBuild: 22_631,
    version: machine.unsupported === true ? "1703" : "23H2",
    lastIpAddress: address,
    lastExternalIpAddress: "203.0.113.7",
    healthStatus: isInactive ? "Inactive" : "Active",
    onboardingStatus: "Onboarded",
    rbacGroupId: 0,
    rbacGroupName: null,
    riskScore: "None",
    exposureLevel: "Low",
    deviceValue: "Normal",
    isAadJoined: false,
    aadDeviceId: null,
    machineTags: [],
    ipAddresses: [{ ipAddress: address, macAddress: null, operationalStatus: "Up" }],
    ...machine.record,
  }
}

const records = (self: Machines, now: number): ReadonlyArray<Row> =>
  Array.from(self.values(), (known) => ({ ...recordOf(known, now) }))

const unknown = (id: string) => reject(404, "ResourceNotFound", `Machine ${id} was not found`)

/** Whether sessions can run on a machine, as far as its record says. */
export const isOnboarded = ({ machine }: KnownMachine): boolean =>
  (machine.record?.onboardingStatus ?? "Onboarded").toLowerCase() === "onboarded"

/** A machine by its id, in the case of which it was added. */
export const find = (self: Machines, id: string): Rejection | KnownMachine => self.get(id) ?? unknown(id)

/** A machine by its id or its name. */
export const get = (self: Machines, idOrName: string, now: number): Rejection | Row => {
  const lower = idOrName.toLowerCase()
  const known =
    self.get(idOrName) ??
    [...self.values()].find(
      ({ machine }) => machine.id.toLowerCase() === lower || machine.name?.toLowerCase() === lower,
    )
  return known === undefined ? unknown(idOrName) : { ...recordOf(known, now) }
}

const noRecent = () => reject(404, "ResourceNotFound", "No recent machine was found")

/** A page of the machines. A list without any machine is a 404, as the service has it. */
export const list = (
  self: Machines,
  params: URLSearchParams,
  pageSize: number,
  now: number,
): Rejection | ODataQuery.Page => {
  const page = ODataQuery.page(records(self, now), params, entitySet, pageSize)
  return "value" in page && page.value.length === 0 && params.get("$top") !== "0" ? noRecent() : page
}

export const count = (self: Machines, params: URLSearchParams, now: number): Rejection | number =>
  ODataQuery.count(records(self, now), params, entitySet)

/** The machines that have this tag, or one that starts with it. */
export const findByTag = (
  self: Machines,
  params: URLSearchParams,
  now: number,
): Rejection | { readonly value: ReadonlyArray<Row> } => {
  const unknownName = [...params.keys()].find((name) => name !== "tag" && name !== "useStartsWithFilter")
  if (unknownName !== undefined) {
    return reject(400, "InvalidInput", `The query parameter '${unknownName}' is not supported.`)
  }
  const tag = params.get("tag")
  if (tag === null || tag === "") return reject(400, "MissingRequiredParameter", "Parameter tag is missing.")
  const isPrefix = params.get("useStartsWithFilter")?.toLowerCase() ?? "false"
  if (isPrefix !== "true" && isPrefix !== "false") {
    return reject(400, "InvalidInput", `The value '${isPrefix}' is not valid for useStartsWithFilter.`)
  }
  const found = Array.from(self.values(), (known) => recordOf(known, now)).filter(({ machineTags }) =>
    machineTags.some((own) => (isPrefix === "true" ? own.startsWith(tag) : own === tag)),
  )
  return { value: found.map((record) => ({ ...record })) }
}
