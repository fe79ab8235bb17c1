/** The calls of the API by method and path. */
import { responseKinds } from "./actionRequests.ts"

export const operations = [
  "link",
  "list",
  "action",
  "run",
  "cancel",
  "respond",
  "packageLink",
  "machines",
  "machine",
  "machinesByTag",
  "library",
  "upload",
  "delete",
] as const

/** Which call of the API a request is. */
export type Operation = (typeof operations)[number]

export interface Route {
  readonly operation: Operation
  /** The machine, the machine action or the library file in the path. */
  readonly id: string
  /** The index of the command whose result a link is for. */
  readonly index: number
  /** The last part of the path in lower case, which names the kind of a new action. */
  readonly last: string
  /** Whether the path ends in `/$count`, which asks how many records a list has. */
  readonly isCount: boolean
}

/** Paths in lower case, since the service reads them in any case. `*` stands for an id. The first one that fits counts. */
const table: ReadonlyArray<readonly [method: string, path: string, operation: Operation]> = [
  ["GET", "machineactions", "list"],
  ["GET", "machineactions/*", "action"],
  ["GET", "machineactions/*/getpackageuri", "packageLink"],
  ["POST", "machineactions/*/cancel", "cancel"],
  ["GET", "machines", "machines"],
  ["GET", "machines/findbytag", "machinesByTag"],
  ["GET", "machines/*", "machine"],
  ["POST", "machines/*/runliveresponse", "run"],
  ...responseKinds.map((kind) => ["POST", `machines/*/${kind}`, "respond"] as const),
  ["GET", "libraryfiles", "library"],
  ["POST", "libraryfiles", "upload"],
  ["DELETE", "libraryfiles/*", "delete"],
]

const prefix = /^\/api\/(?:v1\.0\/)?/i

const link = /^getliveresponseresultdownloadlink\(index=(\d{1,9})\)$/

const lists: ReadonlySet<Operation> = new Set(["list", "machines"])

/** A part of a path, decoded where that is possible. */
const decoded = (part: string): string => {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

const fits = (path: string, parts: ReadonlyArray<string>): boolean => {
  const wanted = path.split("/")
  return wanted.length === parts.length && wanted.every((part, i) => part === "*" || part === parts[i])
}

/** The call that a request is, if the service has it. */
export const routeOf = (method: string, pathname: string): Route | undefined => {
  if (!prefix.test(pathname)) return undefined
  const parts = pathname.replace(prefix, "").replace(/\/$/, "").split("/").map(decoded)
  const isCount = parts.length > 1 && parts.at(-1) === "$count"
  const lower = (isCount ? parts.slice(0, -1) : parts).map((part) => part.toLowerCase())
  const id = parts[1] ?? ""
  const last = lower.at(-1) ?? ""
  const index = link.exec(last)?.[1]
  // A link has no index in its path that the table could hold.
  if (index !== undefined && lower.length === 3 && lower[0] === "machineactions") {
    return method === "GET" ? { operation: "link", id, index: Number(index), last, isCount: false } : undefined
  }
  const operation = table.find(([of, path]) => of === method && fits(path, lower))?.[2]
  if (operation === undefined || (isCount && !lists.has(operation))) return undefined
  return { operation, id, index: 0, last, isCount }
}
