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

/** Where the id starts in a line of this form. */
export const idStart = `{"id":"`.length
