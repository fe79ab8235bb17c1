/** The entry in a line that `ManifestLine` has matched, at a tenth of what the schema costs. */
import { MachineActionId } from "../MachineAction.ts"
import type * as ManifestEntry from "../ManifestEntry.ts"
import * as Lenient from "./lenientFields.ts"
import { instant, number, objectIn, text } from "./matchedMembers.ts"

/** What the line of a stored result says, or `undefined` where the schema decides. */
export const completed = (line: Uint8Array): ManifestEntry.Completed | undefined => {
  const value = objectIn(line)
  if (value === undefined) return undefined
  const [id, path, sha256] = [text(value, "machineActionId"), text(value, "path"), text(value, "sha256")]
  const [index, links] = [number(value, "index"), number(value, "links")]
  const [attempts, bytes] = [number(value, "attempts"), number(value, "bytes")]
  if (id === undefined || path === undefined || sha256 === undefined) return undefined
  if (index === undefined || links === undefined || attempts === undefined || bytes === undefined) return undefined
  return {
    status: "completed",
    ...Lenient.present({ version: value["version"] === 1 ? (1 as const) : undefined }),
    machineActionId: MachineActionId.make(id, { disableChecks: true }),
    index,
    ...Lenient.present({
      machineId: text(value, "machineId"),
      machineName: text(value, "machineName"),
      script: text(value, "script"),
      sourcePath: text(value, "sourcePath"),
      at: instant(value, "at"),
    }),
    links,
    attempts,
    path,
    bytes,
    sha256,
    ...Lenient.present({
      etag: text(value, "etag"),
      fileName: text(value, "fileName"),
      unchecked: value["unchecked"] === true ? (true as const) : undefined,
    }),
  }
}
