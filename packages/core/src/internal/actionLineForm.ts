/** The form of a line of `actions.jsonl`, as this release writes it. */
import * as JsonForm from "./jsonForm.ts"

const { array, count, instant, literal, number, object, optional, record, required, string } = JsonForm

const command = object(
  required("index", count),
  required("type", string),
  required("status", string),
  required("params", record(string)),
  optional("startTime", instant),
  optional("endTime", instant),
  required("errors", array(string)),
)

export const form: JsonForm.Form = object(
  required("id", JsonForm.guid),
  required("type", string),
  required("status", string),
  ...[
    "machineId",
    "computerDnsName",
    "requestor",
    "requestorComment",
    "cancellationRequestor",
    "cancellationComment",
  ].map((name) => optional(name, string)),
  optional("created", instant),
  optional("updated", instant),
  optional("errorHResult", number),
  required("commands", array(command)),
  optional("version", literal(1)),
)

const start = `{"id":`
const type = JsonForm.text(`,"type":`)
const id = JsonForm.text(start)
const ending = `,"version":1}`
const last = JsonForm.text(ending)

/** Where the id starts in a line of this form. */
export const idStart = start.length + 1

/** Whether a line begins with an id, and ends with the version that this release writes. What is between is not read. */
export const isNamed = (bytes: Uint8Array, at: number, end: number): boolean => {
  const idAt = id(bytes, at)
  const idEnd = idAt < 0 ? -1 : JsonForm.guid(bytes, idAt)
  return idEnd >= 0 && type(bytes, idEnd) >= 0 && last(bytes, end - ending.length) === end
}
