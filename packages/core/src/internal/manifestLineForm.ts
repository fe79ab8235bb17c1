/** The form of a line of the manifest, as this release writes it, and what the index of results takes from such a line. */
import * as FileName from "../FileName.ts"
import * as JsonForm from "./jsonForm.ts"

/** A line that was matched. Positions are those of its bytes. It is valid until the next line is matched. */
export interface Match {
  /** Where the id of the machine action starts. */
  id: number
  index: number
  /** The kind of the stored result. `undefined` if the result failed. */
  kind: FileName.Kind | undefined
}

/** Errors nest four deep. */
const deepest = 16

/** Matches lines one after the other. */
export class ManifestLine {
  readonly match: Match = { id: 0, index: 0, kind: undefined }
  private readonly form: JsonForm.Form

  constructor() {
    const { count, literal, optional, required, string } = JsonForm
    const { match } = this
    const common = [
      optional("version", literal(1)),
      required("machineActionId", (bytes, at) => {
        match.id = at + 1
        return JsonForm.guid(bytes, at)
      }),
      required("index", (bytes, at) => {
        match.index = JsonForm.digitsAt(bytes, at)
        return match.index <= 999 ? count(bytes, at) : -1
      }),
      ...["machineId", "machineName", "script", "sourcePath"].map((name) => optional(name, string)),
      required("links", count),
      required("attempts", count),
      optional("at", JsonForm.instant),
    ]
    const completed = JsonForm.object(
      required("status", literal("completed")),
      ...common,
      required("path", (bytes, at) => this.path(bytes, at)),
      required("bytes", count),
      required("sha256", string),
      optional("etag", string),
      optional("fileName", string),
      optional("unchecked", literal(true)),
    )
    const failed = JsonForm.object(
      required("status", literal("failed")),
      ...common,
      required("message", string),
      required("error", JsonForm.json(deepest)),
    )
    this.form = JsonForm.oneOf(completed, failed)
  }

  /** The position after the line that starts there, or -1 where it does not have the form. */
  end(bytes: Uint8Array, at: number): number {
    this.match.kind = undefined
    return this.form(bytes, at)
  }

  /** The path that the id and the index give. */
  private path(bytes: Uint8Array, at: number): number {
    const { id, index } = this.match
    if (bytes[at] !== quote) return -1
    for (let i = 0; i < idLength; i++) if (bytes[at + 1 + i] !== bytes[id + i]) return -1
    const digits = slash(bytes, at + 1 + idLength)
    const ending = digits < 0 || JsonForm.digitsAt(bytes, digits) !== index ? -1 : JsonForm.count(bytes, digits)
    if (ending < 0) return -1
    for (const { form, kind } of endings) {
      const end = form(bytes, ending)
      if (end < 0) continue
      this.match.kind = kind
      return end
    }
    return -1
  }
}

const comma = JsonForm.text(",")
const completedStart = JsonForm.text(`{"status":"completed","version":1,"machineActionId":`)
const failedStart = JsonForm.text(`{"status":"failed","version":1,"machineActionId":`)
const indexKey = JsonForm.text(',"index":')

/** Matches the beginning of a line, as far as it names its result: a quarter of the line, in an eighth of the time. */
export class ManifestHead {
  /** Where the id of the machine action starts. This and the others are those of the beginning that was matched last. */
  id = 0
  index = 0

  /** The position after the beginning that is there, or -1 where the line begins in another way. */
  end(bytes: Uint8Array, at: number): number {
    const completed = completedStart(bytes, at)
    const id = completed < 0 ? failedStart(bytes, at) : completed
    const idEnd = id < 0 ? -1 : JsonForm.guid(bytes, id)
    const digits = idEnd < 0 ? -1 : indexKey(bytes, idEnd)
    const end = digits < 0 ? -1 : JsonForm.count(bytes, digits)
    if (end < 0) return -1
    this.id = id + 1
    this.index = JsonForm.digitsAt(bytes, digits)
    return comma(bytes, end)
  }
}

const quote = 0x22
const idLength = 36
const slash = JsonForm.text("/")
const endings = FileName.kinds.map((kind) => ({ kind, form: JsonForm.text(`.${kind}"`) }))
