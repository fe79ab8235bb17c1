/**
 * The files of the live response library: the scripts that a session can run, and the files that it can put on a machine.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as ApiSchema from "./internal/apiSchema.ts"
import * as Lenient from "./internal/lenientFields.ts"
import * as TrustedInstance from "./internal/trustedInstance.ts"

/**
 * A file of the library.
 *
 * **Details**
 *
 * Its name is unique in the tenant. `sha256` is in lower-case hexadecimal digits. What the API leaves out is absent.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/list-library-files
 * @since 0.1.0
 * @category models
 */
export class LibraryFile extends Schema.Class<LibraryFile>("@live-response/core/LibraryFile")({
  fileName: Schema.String,
  sha256: Schema.optionalKey(Schema.String),
  description: Schema.optionalKey(Schema.String),
  created: Schema.optionalKey(Schema.DateTimeUtcFromString),
  updated: Schema.optionalKey(Schema.DateTimeUtcFromString),
  createdBy: Schema.optionalKey(Schema.String),
  hasParameters: Schema.optionalKey(Schema.Boolean),
  parametersDescription: Schema.optionalKey(Schema.String),
}) {}

/**
 * The largest file that the library accepts through the API, in bytes: 20 MB. The portal accepts 250 MB.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/upload-library
 * @since 0.1.0
 * @category limits
 */
export const largest = 20 * 1024 * 1024

/** In characters. A name that was cut would be another name. */
const longestName = 1024

/** A flag, also as text. */
const flagOf = (value: unknown): boolean | undefined => {
  const text = Lenient.text(value)?.toLowerCase()
  return text === "true" ? true : text === "false" ? false : undefined
}

/**
 * Decodes a file of the library in the API's own shape, or says in a few words why it can't be read. Only `fileName` is
 * required; any other member of an unexpected type is left out. It never throws.
 *
 * @example
 * ```ts
 * import * as LibraryFile from "@live-response/core/LibraryFile"
 * import * as Result from "effect/Result"
 *
 * const file = LibraryFile.fromApi({ fileName: "collect.ps1", sha256: "AB12", hasParameters: "true", description: null })
 * console.log(Result.getOrThrow(file).sha256) // ab12
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const fromApi = (value: unknown): Result.Result<LibraryFile, string> => {
  const of = (key: string) => Lenient.member(value, key)
  const fileName = of("fileName")
  if (typeof fileName !== "string" || fileName === "") return Result.fail("it has no file name")
  if (fileName.length > longestName) return Result.fail("its file name is too long")
  return Result.succeed(
    TrustedInstance.make(LibraryFile, {
      fileName,
      ...Lenient.present({
        sha256: Lenient.text(of("sha256"))?.toLowerCase(),
        description: Lenient.text(of("description")),
        created: Lenient.instant(of("creationTime")),
        updated: Lenient.instant(of("lastUpdatedTime")),
        createdBy: Lenient.text(of("createdBy")),
        hasParameters: flagOf(of("hasParameters")),
        parametersDescription: Lenient.text(of("parametersDescription")),
      }),
    }),
  )
}

/**
 * The schema of a file of the library in the API's own shape, which decodes as `fromApi` does. It is for decoding alone.
 *
 * @since 0.1.0
 * @category schemas
 */
export const FromApi = ApiSchema.decodedBy(LibraryFile, "a library file", fromApi, ({ fileName }) => ({ fileName }))

/**
 * The file with this name. Case does not matter, as for the file names of Windows, unless two names differ in nothing else:
 * then the name as it is written counts.
 *
 * @example
 * ```ts
 * import * as LibraryFile from "@live-response/core/LibraryFile"
 *
 * const files = [LibraryFile.LibraryFile.make({ fileName: "Collect.ps1" })]
 * console.log(LibraryFile.named(files, "collect.ps1")?.fileName) // Collect.ps1
 * ```
 *
 * @since 0.1.0
 * @category searching
 */
export const named = (files: ReadonlyArray<LibraryFile>, fileName: string): LibraryFile | undefined => {
  const lower = fileName.toLowerCase()
  return files.find((file) => file.fileName === fileName) ?? files.find((file) => file.fileName.toLowerCase() === lower)
}
