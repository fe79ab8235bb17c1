/**
 * The live response library of a tenant: lists, uploads and deletes the files that sessions use.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { ApiError } from "./ApiError.ts"
import { DefenderApi, type Service as Api } from "./DefenderApi.ts"
import { DefenderError, InvalidFileName, TooLarge } from "./DefenderError.ts"
import { digestOf, type Hash, Hasher } from "./Hasher.ts"
import { endpoint } from "./internal/apiEndpoints.ts"
import * as ApiErrors from "./internal/apiErrors.ts"
import * as Multipart from "./internal/multipart.ts"
import * as PageText from "./internal/pageText.ts"
import { randomHex } from "./internal/randomHex.ts"
import * as RecordPages from "./internal/recordPages.ts"
import { only } from "./internal/scheduleCombinators.ts"
import * as LibraryFile from "./LibraryFile.ts"
import * as Permission from "./Permission.ts"
import { Quota } from "./Quota.ts"
import * as Timing from "./Timing.ts"

/**
 * A file to upload.
 *
 * **Details**
 *
 * `content` is read twice: once for its length and its SHA-256, and once to send it.
 *
 * @since 0.1.0
 * @category options
 */
export interface Upload<E = never, R = never> {
  readonly fileName: string
  readonly content: Stream.Stream<Uint8Array, E, R>
  readonly description?: string | undefined

  /** What the parameters of a script mean. With it the file is listed as a script that has parameters. */
  readonly parametersDescription?: string | undefined

  /** Replaces a file with this name. By default `false`: the API refuses the upload. */
  readonly overwrite?: boolean | undefined
}

/**
 * The calls. Each needs the permission `Library.Manage`, has a quota of its own, and is retried as `Timing` says.
 *
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /**
   * Lists the files. Records that can't be read are logged as warnings.
   *
   * @see https://learn.microsoft.com/en-us/defender-endpoint/api/list-library-files
   */
  readonly list: Stream.Stream<LibraryFile.LibraryFile, ApiError>

  /** Finds the file with this name, as `LibraryFile.named` does. */
  readonly find: (fileName: string) => Effect.Effect<Option.Option<LibraryFile.LibraryFile>, ApiError>

  /**
   * Uploads a file, and returns it as the library has it.
   *
   * **Details**
   *
   * A file of more than `LibraryFile.largest` bytes fails with reason `TooLarge` before anything is sent. Where no answer
   * comes, the library is listed: a file with the same SHA-256 is the one that was sent, and else it is sent again.
   *
   * @see https://learn.microsoft.com/en-us/defender-endpoint/api/upload-library
   */
  readonly upload: <E = never, R = never>(file: Upload<E, R>) => Effect.Effect<LibraryFile.LibraryFile, ApiError | E, R>

  /**
   * Deletes a file.
   *
   * @see https://learn.microsoft.com/en-us/defender-endpoint/api/delete-library
   */
  readonly delete: (fileName: string) => Effect.Effect<void, ApiError>
}

/**
 * The live response library.
 *
 * @example
 * ```ts
 * import { Library } from "@live-response/core/Library"
 * import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 *
 * const upload = Library.use((library) =>
 *   library.upload({
 *     fileName: "triage.ps1",
 *     content: Stream.succeed(new TextEncoder().encode("Get-Process")),
 *     description: "Lists processes",
 *   }),
 * )
 *
 * const uploaded = await Effect.runPromise(Effect.provide(upload, LiveResponseTest.layer()))
 * console.log(uploaded.fileName) // triage.ps1
 * ```
 *
 * @since 0.1.0
 * @category services
 */
export class Library extends Context.Service<Library, Service>()("@live-response/core/Library") {}

/** Refuses a name that a file can't have: in a path, `..` stands for what is above the library. */
const checkName = (subject: string, fileName: string): Effect.Effect<void, DefenderError> =>
  fileName === "" || fileName === "." || fileName === ".." || /[/\\]/.test(fileName)
    ? Effect.fail(new DefenderError({ operation: subject, reason: new InvalidFileName({ fileName }) }))
    : Effect.void

/** A file is measured before it is sent. */
interface Measured {
  readonly size: number
  readonly sha256: string
}

/** Reads a file for its length and its hash, up to the largest that the library accepts. */
const measure = Effect.fnUntraced(function* <E, R>(
  hash: Hash,
  subject: string,
  content: Stream.Stream<Uint8Array, E, R>,
) {
  const { hex, size } = yield* digestOf(hash, content, LibraryFile.largest)
  if (size > LibraryFile.largest) {
    return yield* new DefenderError({ operation: subject, reason: new TooLarge({ limit: LibraryFile.largest }) })
  }
  return { size, sha256: hex } satisfies Measured
})

/** Whether the API may have done what it was asked for, although it did not say so. */
const isLost = (error: unknown): error is DefenderError =>
  error instanceof DefenderError &&
  (error.reason._tag === "UnexpectedAnswer" ||
    (error.isRetryable && !(error.reason._tag === "Unreachable" && error.reason.kind !== undefined)))

/** How long the head of the answer may take beyond the time of a call without a body: 32 kB a second are slow. */
const timeToSend = (size: number): Duration.Duration => Duration.seconds(Math.ceil(size / 32_768))

const makeList = (api: Api, quota: Effect.Success<ReturnType<typeof makeQuotas>>["list"]): Service["list"] =>
  Stream.unwrap(
    Effect.map(quota, ({ name, quota }) =>
      api.records({
        path: "/api/libraryfiles",
        operation: name,
        subject: "list of library files",
        permission: Permission.library,
        quota,
        ifMissing: "this cloud has no library API: upload files in the Microsoft Defender portal",
        fromApi: (value) => Result.map(LibraryFile.fromApi(value), (file) => ({ id: file.fileName, file })),
      }),
    ),
  ).pipe(
    RecordPages.recordsOf,
    Stream.map(({ file }) => file),
  )

const makeQuotas = (quota: Quota["Service"]) =>
  Effect.all({
    list: endpoint(quota, "ListLibraryFiles"),
    upload: endpoint(quota, "UploadLibraryFile"),
    delete: endpoint(quota, "DeleteLibraryFile"),
  })

const fieldsOf = <E, R>({ description, overwrite, parametersDescription }: Upload<E, R>) => ({
  ...(description === undefined ? {} : { Description: description }),
  ...(parametersDescription === undefined ? {} : { ParametersDescription: parametersDescription }),
  HasParameters: String(parametersDescription !== undefined),
  OverrideIfExists: String(overwrite === true),
})

type Quotas = Effect.Success<ReturnType<typeof makeQuotas>>

/** Repeats a call whose answer was lost, once the library shows that it was not done. */
const makeSettle =
  (timing: Effect.Effect<Timing.Settings>) =>
  <A, E, R>(
    call: Effect.Effect<A, E, R>,
    done: Effect.Effect<Option.Option<A>, ApiError>,
  ): Effect.Effect<A, E | ApiError, R> =>
    Effect.flatMap(timing, (settings) => {
      const state: { isUndone: boolean; unexpected: DefenderError | undefined } = {
        isUndone: false,
        unexpected: undefined,
      }
      const isUndone = (error: unknown): error is DefenderError => state.isUndone && error instanceof DefenderError
      return Effect.sync(() => void (state.isUndone = false)).pipe(
        Effect.andThen(call),
        Effect.catchIf(isLost, (lost) =>
          Effect.flatMap(done, (found) => {
            if (Option.isSome(found)) return Effect.succeed(found.value)
            // What an answer says that can't be used is not cured by many repeats.
            const isUnexpected = ApiErrors.hasReason("UnexpectedAnswer")(lost)
            state.isUndone = !isUnexpected || state.unexpected === undefined
            if (isUnexpected) state.unexpected = lost
            return Effect.fail(lost)
          }),
        ),
        // The repeat is refused because of what the first call left.
        Effect.mapError((error) => (ApiErrors.hasReason("Refused")(error) ? (state.unexpected ?? error) : error)),
        Effect.retry(only(settings.api, isUndone)),
      )
    })

/** Makes the function that sends a file once. */
const makeSend = (api: Api, quota: Quotas["upload"], timing: Effect.Effect<Timing.Settings>) =>
  Effect.fnUntraced(function* <E>(
    file: Upload<E>,
    { sha256, size }: Measured,
    subject: string,
  ): Effect.fn.Return<LibraryFile.LibraryFile, ApiError | E> {
    const { name: operation, quota: uploads } = yield* quota
    const { headTimeout } = yield* timing
    let unreadable: Option.Option<E> = Option.none()
    const content = Stream.tapError(file.content, (error) => Effect.sync(() => void (unreadable = Option.some(error))))
    const body = Multipart.body({
      boundary: `live-response-${yield* randomHex(32)}`,
      fields: fieldsOf(file),
      file: { field: "file", name: file.fileName, size, content },
    })
    const request = HttpClientRequest.post("/api/libraryfiles", { acceptJson: true }).pipe(
      HttpClientRequest.setBody(body),
    )
    const options = { operation, subject, permission: Permission.library, quota: uploads, isRepeatable: false }
    const response = yield* api.execute(request, options).pipe(
      Timing.with({ headTimeout: Duration.sum(Duration.fromInputUnsafe(headTimeout), timeToSend(size)) }),
      Effect.mapError((error) => Option.getOrElse(unreadable, (): ApiError | E => error)),
    )
    const text = yield* Effect.orDie(response.text)
    const uploaded = yield* ApiErrors.orUnexpected(
      subject,
      Result.flatMap(PageText.readWhole(text), LibraryFile.fromApi),
    )
    if (uploaded.fileName.toLowerCase() !== file.fileName.toLowerCase()) {
      return yield* ApiErrors.unexpected(subject, `it names another file, ${uploaded.fileName}`)
    }
    if (uploaded.sha256 === undefined || uploaded.sha256 === sha256) return uploaded
    return yield* ApiErrors.unexpected(
      subject,
      `the library's copy differs: it has SHA-256 ${uploaded.sha256}, and ${sha256} was sent`,
    )
  })

/**
 * Makes the service.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Service, never, DefenderApi | Quota> = Effect.gen(function* () {
  const api = yield* DefenderApi
  const quotas = yield* makeQuotas(yield* Quota)
  const timing = yield* Timing.perCall
  const startHash = yield* Hasher
  const list = makeList(api, quotas.list)
  const settle = makeSettle(timing)
  const send = makeSend(api, quotas.upload, timing)

  const find: Service["find"] = (fileName) =>
    Effect.map(Stream.runCollect(list), (files) => Option.fromUndefinedOr(LibraryFile.named(files, fileName)))

  const upload = Effect.fn("Library.upload")(function* <E, R>(file: Upload<E, R>) {
    const subject = `upload of ${file.fileName} to the library`
    yield* checkName(subject, file.fileName)
    const context = yield* Effect.context<R>()
    const provided: Upload<E> = { ...file, content: Stream.provideContext(file.content, context) }
    const measured = yield* measure(startHash("SHA-256"), subject, provided.content)
    const isSame = ({ sha256 }: LibraryFile.LibraryFile) => sha256 === measured.sha256
    const uploaded = Effect.map(find(file.fileName), Option.filter(isSame))
    // A first attempt whose answer was lost may arrive after the library was listed: then the second one is refused.
    const orThere = (error: ApiError | E): Effect.Effect<LibraryFile.LibraryFile, ApiError | E> =>
      ApiErrors.hasReason("Refused")(error)
        ? Effect.flatMap(uploaded, Option.match({ onNone: () => Effect.fail(error), onSome: Effect.succeed }))
        : Effect.fail(error)
    return yield* settle(send(provided, measured, subject).pipe(Effect.catch(orThere)), uploaded)
  })

  const remove = Effect.fn("Library.delete")(function* (fileName: string) {
    const subject = `deletion of ${fileName} from the library`
    yield* checkName(subject, fileName)
    const { name: operation, quota } = yield* quotas.delete
    const request = HttpClientRequest.delete(`/api/libraryfiles/${encodeURIComponent(fileName)}`)
    const call = api.execute(request, {
      operation,
      subject,
      permission: Permission.library,
      quota,
      isRepeatable: false,
      ifMissing: "check the name: the library has no such file",
    })
    const deleted = Effect.map(find(fileName), (found) =>
      Option.isNone(found) ? Option.some(undefined) : Option.none(),
    )
    yield* settle(Effect.asVoid(call), deleted)
  })

  return { list, find, upload, delete: remove }
})

/**
 * The service over the API and the quota in context.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Library, never, DefenderApi | Quota> = Layer.effect(Library, make)
