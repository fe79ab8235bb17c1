/** The library of scripts and files of the simulator, from which sessions run scripts and put files. */
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Multipart from "effect/http/Multipart"
import * as Stream from "effect/Stream"
import * as Hasher from "../../Hasher.ts"
import { reject, Rejection } from "./errors.ts"
import type { LibraryFile } from "./inputs.ts"

/** @see https://learn.microsoft.com/en-us/defender-endpoint/api/list-library-files */
interface Entity {
  readonly fileName: string
  readonly sha256: string
  readonly description: string | null
  readonly creationTime: string
  readonly lastUpdatedTime: string
  readonly createdBy: string
  readonly hasParameters: boolean
  readonly parametersDescription: string | null
}

/** By name. The simulator needs no content: it runs no script. */
export type Library = Map<string, Entity>

/** @see https://learn.microsoft.com/en-us/defender-endpoint/api/upload-library */
const largestFile = 20 * 1024 * 1024

/** The form's other fields, and what stands between them. */
const largestFields = 64 * 1024

const iso = (now: number) => DateTime.formatIso(DateTime.makeUnsafe(now))

const entityOf = (fields: Pick<Entity, "fileName" | "sha256"> & Partial<Entity>, now: number): Entity => ({
  description: null,
  creationTime: iso(now),
  lastUpdatedTime: iso(now),
  createdBy: "simulator",
  hasParameters: false,
  parametersDescription: null,
  ...fields,
})

export const add = Effect.fnUntraced(function* (self: Library, file: LibraryFile, now: number) {
  const { content, description = null, name, parametersDescription = null } = file
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content
  const { hex: sha256 } = yield* sha256Of(Stream.succeed(bytes))
  const hasParameters = parametersDescription !== null
  self.set(name, entityOf({ fileName: name, sha256, description, hasParameters, parametersDescription }, now))
})

/** The SHA-256 of bytes, and how many they are. */
const sha256Of = <E>(bytes: Stream.Stream<Uint8Array, E>) =>
  Effect.flatMap(Hasher.Hasher, (startHash) => Hasher.digestOf(startHash("SHA-256"), bytes))

export const list = (self: Library): ReadonlyArray<Entity> => [...self.values()]

/** Rejects a name that the library does not have. */
export const check = (self: Library, name: string): Rejection | undefined =>
  self.has(name) ? undefined : reject(400, "InvalidInput", `File ${name} was not found in the live response library.`)

/** Deletes a file. */
export const remove = (self: Library, name: string): Rejection | undefined =>
  self.delete(name) ? undefined : reject(404, "ResourceNotFound", `File ${name} was not found`)

/** The form of an upload. The names of its fields are in lower case: Microsoft's page and its sample differ in it. */
interface Form {
  readonly file?: { readonly name: string; readonly sha256: string }
  readonly fields: ReadonlyMap<string, string>
}

/** A form that can't be read: it is malformed or too large, or the connection broke. */
class FormError extends Data.TaggedError("FormError")<{ readonly rejection: Rejection }> {}

const tooLarge = () => new FormError({ rejection: reject(400, "InvalidInput", "The file is larger than 20 MB.") })

const formErrorOf = ({ reason }: Multipart.MultipartError) =>
  reason._tag === "FileTooLarge" || reason._tag === "BodyTooLarge"
    ? tooLarge()
    : new FormError({
        rejection: reject(400, "InvalidRequestBody", "Request body is incorrect: it is not a complete form."),
      })

const addPart = Effect.fnUntraced(function* (form: Form, part: Multipart.Part) {
  const key = part.key.toLowerCase()
  if (part._tag === "Field") return { ...form, fields: new Map(form.fields).set(key, part.value) }
  const { hex: sha256, size } = yield* Effect.mapError(sha256Of(part.content), formErrorOf)
  // The parser bounds the whole form that a socket sends, and nothing of a client in the same process. Its bound of a
  // file would refuse one of exactly that size.
  if (size > largestFile) return yield* tooLarge()
  return key === "file" ? { ...form, file: { name: part.name, sha256 } } : form
})

/** Nothing of an upload is stored before all of it has arrived. */
const formOf = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<Form, FormError> =>
  Stream.mapError(request.multipartStream, formErrorOf).pipe(
    Stream.runFoldEffect((): Form => ({ fields: new Map() }), addPart),
    Effect.provideContext(
      Multipart.limitsServices({
        maxParts: 16,
        maxFieldSize: largestFields,
        maxTotalSize: largestFile + largestFields,
      }),
    ),
  )

const flagOf = (fields: ReadonlyMap<string, string>, name: string): Rejection | boolean => {
  const text = (fields.get(name.toLowerCase()) ?? "").toLowerCase()
  if (text === "" || text === "false") return false
  return text === "true" ? true : reject(400, "InvalidInput", `The value '${text}' is not valid for ${name}.`)
}

const store = (self: Library, { fields, file }: Form, now: number): Rejection | Entity => {
  if (file === undefined) return reject(400, "MissingRequiredParameter", "Parameter file is missing.")
  if (file.name === "" || /[/\\]/.test(file.name)) {
    return reject(400, "InvalidInput", `The file name '${file.name}' is not valid.`)
  }
  const isOverriding = flagOf(fields, "OverrideIfExists")
  if (isOverriding instanceof Rejection) return isOverriding
  const hasParameters = flagOf(fields, "HasParameters")
  if (hasParameters instanceof Rejection) return hasParameters
  const existing = self.get(file.name)
  if (existing !== undefined && !isOverriding) {
    return reject(400, "BadRequest", `File ${file.name} already exists in the live response library.`)
  }
  const entity = entityOf(
    {
      fileName: file.name,
      sha256: file.sha256,
      creationTime: existing?.creationTime ?? iso(now),
      hasParameters,
      description: fields.get("description") ?? null,
      parametersDescription: fields.get("parametersdescription") ?? null,
    },
    now,
  )
  self.set(entity.fileName, entity)
  return entity
}

/** Stores the file of a form. */
export const upload = (
  self: Library,
  request: HttpServerRequest.HttpServerRequest,
  now: number,
): Effect.Effect<Rejection | Entity> =>
  formOf(request).pipe(
    Effect.map((form) => store(self, form, now)),
    Effect.catchTag("FormError", ({ rejection }) => Effect.succeed(rejection)),
  )
