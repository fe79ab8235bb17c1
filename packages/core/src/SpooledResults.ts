/**
 * Stores results in an object store that several machines share. Each is downloaded to this machine's disk first.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { DiskSpace } from "./DiskSpace.ts"
import { Hasher } from "./Hasher.ts"
import { allowBorrowing } from "./internal/borrowing.ts"
import { monotonicMillis } from "./internal/monotonic.ts"
import * as OutagePatience from "./internal/outagePatience.ts"
import * as SpaceWatch from "./internal/spaceWatch.ts"
import * as Spool from "./internal/spool.ts"
import { type Access, isRefusal } from "./internal/storeAccess.ts"
import * as StoreGate from "./internal/storeGate.ts"
import { LinkGate, NotNow } from "./LinkGate.ts"
import * as ObjectStore from "./ObjectStore.ts"
import type { ObjectStoreError } from "./ObjectStoreError.ts"
import { reportNow } from "./Reporter.ts"
import { Retrying } from "./ResultEvent.ts"
import { keyOf, type ResultRef } from "./ResultRef.ts"
import * as ResultStore from "./ResultStore.ts"
import { ofService, StoreError } from "./StoreError.ts"

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** A directory on the disk of this machine, for what is downloaded and not uploaded yet. Only one program may use it. */
  readonly spool: string

  /** The beginning of the names of all objects, such as one for each tenant. Empty for none. */
  readonly prefix: string
}

/** What a store of results fails with: the objects of one result concern that result alone. */
const toStoreError = (error: ObjectStoreError): StoreError => {
  const { object: path, reason } = error
  const problem =
    reason._tag === "Files"
      ? { problem: reason.problem, detail: reason.detail }
      : { problem: "Failed" as const, detail: reason.message }
  return new StoreError({ path, ...problem, ...(error.isOfObject ? { ofResult: true } : {}) })
}

/** A permit of the quota is given back if no result can be stored within this time. */
const linkPatience = "30 seconds"

/** What is recorded of a result that was stored ends the status of a failure, which may be back a moment later. */
const reportAfterStored = "5 seconds"

/** Says why results are not stored yet. Many wait for the same, so once a minute is enough, until one of them is stored. */
const makeReports = () => {
  let last = -Infinity
  let interval: Duration.Input = OutagePatience.longest
  return {
    waits: Effect.fnUntraced(function* (ref: ResultRef, error: StoreError) {
      const now = yield* monotonicMillis
      if (now - last < Duration.toMillis(interval)) return
      last = now
      interval = OutagePatience.longest
      const { message } = error
      yield* reportNow((at) => Retrying.make({ at, ...ref, delay: OutagePatience.longest, message, error }))
    }),
    stored: Effect.sync(() => {
      interval = reportAfterStored
    }),
  }
}

/** How often the disk of the spool is looked at while it is full. */
const lookEvery = "5 seconds"

/** Lets a link be requested when its result can be stored: in the object store, and in the spool before. */
const makeLinkGate = (
  { prefix, spool }: Options,
  { disk, ofPrefix, uploads }: StoreGate.Gates,
  { waits }: ReturnType<typeof makeReports>,
) =>
  Effect.map(DiskSpace, (space) => {
    const { access, links } = ofPrefix(prefix)
    const findFull = SpaceWatch.fullOf(space, spool)
    const untilSpace = (ref: ResultRef) =>
      findFull.pipe(
        Effect.tap((full) => {
          if (full === undefined) return disk.works
          const error = ofService(full)
          const warn = disk.failed(
            `${error.message}; results wait until they can be stored, and no link is requested meanwhile`,
          )
          return Effect.andThen(warn, waits(ref, error))
        }),
        Effect.repeat({ until: (full) => full === undefined, schedule: Schedule.spaced(lookEvery) }),
      )
    const untilOpen = (ref: ResultRef, key: string) => {
      const onWait = (error: ObjectStoreError) => waits(ref, ofService(toStoreError(error)))
      return uploads
        .untilOpen(key, onWait)
        .pipe(
          Effect.andThen(untilSpace(ref)),
          Effect.andThen(access.untilGranted(key, onWait)),
          Effect.andThen(links.turnOf(key)),
          Effect.timeoutOrElse({ duration: linkPatience, orElse: () => Effect.fail(new NotNow()) }),
        )
    }
    return (ref: ResultRef) => {
      const key = keyOf(ref)
      // Each result passes here: where nothing waits, nothing that waits is started.
      return Effect.flatMap(findFull, (full) =>
        full === undefined && uploads.isOpen() && access.isGranted() && links.isOpen(key)
          ? disk.works
          : untilOpen(ref, key),
      )
    }
  })

/** What is stored. */
const reader = (
  objects: ObjectStore.Service,
  nameOf: (path: string) => string,
): Pick<ResultStore.Service, "has" | "read"> => ({
  has: ({ bytes, path }) =>
    Effect.mapError(objects.info(nameOf(path)), toStoreError).pipe(
      Effect.map(Option.exists((info) => bytes === undefined || info.bytes === bytes)),
    ),
  read: (path) => Stream.mapError(objects.read(nameOf(path)), toStoreError),
})

/** What is complete and waits for its upload: in memory, or in the spool. */
interface Waiting {
  readonly objects: ObjectStore.Service
  readonly spool: Spool.Spool
  readonly held: Map<string, Uint8Array>
  readonly nameOf: (path: string) => string
  readonly gates: StoreGate.Gates
  readonly access: Access
}

/** Uploads what waits. */
const makeUpload =
  ({ access, gates, held, nameOf, objects, spool }: Waiting) =>
  (
    path: string,
    { bytes, sha256 }: Pick<ResultStore.StoredResult, "bytes" | "sha256">,
    onWait: (error: ObjectStoreError) => Effect.Effect<void> = () => Effect.void,
  ) =>
    Effect.suspend(() => {
      const inMemory = held.get(path)
      const stream = inMemory === undefined ? spool.read(path) : Stream.succeed(inMemory)
      return gates.uploads.through(objects.put(nameOf(path), { bytes, sha256, stream }), onWait).pipe(
        // What is complete is uploaded and removed, so that it is uninterruptible; and an upload may take long.
        Effect.interruptible,
        Effect.catchTag("ObjectStoreError", (error) =>
          Effect.andThen(isRefusal(error) ? access.refused : Effect.void, Effect.fail(toStoreError(error))),
        ),
      )
    })

/** Removes what was uploaded. Where that failed it is downloaded again, so that its bytes go as well. */
const makeRemove =
  ({ held, spool }: Waiting) =>
  (path: string): Effect.Effect<void> =>
    Effect.suspend(() => (held.delete(path) ? Effect.void : Effect.ignore(spool.remove(path))))

/**
 * Stores results as `<prefix>/<machineActionId>/<index>.<json|gz|zip|bin>` in the object store.
 *
 * **Details**
 *
 * - A result is downloaded to the spool, as `ResultStore.layerFileSystem` does it: it resumes, and its bytes are checked. A complete
 *   file of the spool is not flushed, because the object store has it a moment later, and after a power cut it is downloaded again.
 *   It is uploaded, which compares its SHA-256, and its file in the spool is removed. `complete` returns after that.
 * - A result of at most 64 KiB that arrives within a second has no file in the spool. It stays in memory until it is uploaded.
 * - Nothing is replaced. A result that is there with the same content counts as stored: a crash between the upload and its record
 *   costs one more download. With other content it fails, and concerns this result alone.
 * - Files derived from a result are stored in the same way.
 * - When the layer is built it removes what an earlier program left in the spool, apart from parts of the last day: they resume.
 *
 * **Gotchas**
 *
 * While the object store does not answer, `complete` waits and retries, as that store does it. While it is full or in trouble for
 * long, results wait in the spool or in memory, their uploads take turns to try again, and one link is requested every five minutes:
 * the store may refuse what waits alone, such as by its size. Where the store refuses requests, one for no link shows that before the
 * first link: one link is requested at first, and one every five minutes, because a credential may permit to write and not to read.
 * After any other failure of the spool or the store, links under this prefix are requested one by one until a result is stored: a link
 * is lost where its result can't be stored.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options,
): Layer.Layer<ResultStore.ResultStore, StoreError, ObjectStore.ObjectStore | FileSystem.FileSystem | Path.Path> =>
  Layer.unwrap(
    Effect.sync(() => {
      const held = new Map<string, Uint8Array>()
      return layerHolding(options, held).pipe(
        Layer.provide(ResultStore.layerFileSystem({ directory: options.spool, isTemporary: true, held })),
      )
    }),
  )

const layerHolding = (options: Options, held: Map<string, Uint8Array>) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const objects = yield* ObjectStore.ObjectStore
      const spooled = yield* ResultStore.ResultStore
      const hasher = yield* Hasher
      const spool = yield* Spool.open(options.spool)
      const nameOf = (path: string) => ObjectStore.join(options.prefix, path)
      const gates = StoreGate.gatesOf(objects)
      const { access, links } = gates.ofPrefix(options.prefix)
      yield* Effect.addFinalizer(() => access.leave)
      const reports = makeReports()

      const waiting: Waiting = { objects, spool, held, nameOf, gates, access }
      const [upload, remove] = [makeUpload(waiting), makeRemove(waiting)]

      const store = ResultStore.withLocks({
        open: Effect.fnUntraced(function* (ref) {
          const key = keyOf(ref)
          yield* Effect.acquireRelease(links.start(key), (_, exit) => links.finish(key, exit))
          yield* spool.use(ref.machineActionId)
          const writer = yield* spooled.open(ref)
          const onWait = (error: ObjectStoreError) =>
            Effect.andThen(links.waits(key), reports.waits(ref, ofService(toStoreError(error))))
          return allowBorrowing({
            ...writer,
            complete: writer.complete.pipe(
              Effect.tap((stored) => Effect.ensuring(upload(stored.path, stored, onWait), remove(stored.path))),
              Effect.tap(() => Effect.all([access.works(key), links.works, reports.stored], { discard: true })),
              Effect.uninterruptible,
            ),
          })
        }),
        ...reader(objects, nameOf),
        write: Effect.fnUntraced(function* (path, bytes) {
          yield* spool.use(Spool.actionOf(path))
          yield* spool.prepare(path)
          // It may be interrupted after the file has its name, and before its upload has started.
          yield* Effect.addFinalizer(() => remove(path))
          const hash = hasher("SHA-256")
          const size = yield* spooled.write(
            path,
            Stream.tap(bytes, (chunk) => Effect.sync(() => hash.update(chunk))),
          )
          yield* upload(path, { bytes: size, sha256: Hex.encode(hash.digest()) })
          return size
        }, Effect.scoped),
      })
      return Context.make(ResultStore.ResultStore, store).pipe(
        Context.add(LinkGate, yield* makeLinkGate(options, gates, reports)),
      )
    }),
  )

/**
 * Removes what earlier programs left in the spools below a directory, apart from parts of the last day.
 *
 * **When to use**
 *
 * Use it when a program with a spool for each tenant starts: what it left of a tenant that another machine has by now would stay for
 * ever. The spools are named by ids.
 *
 * **Gotchas**
 *
 * No program may use one of the spools meanwhile.
 *
 * @since 0.1.0
 * @category cleaning
 */
export const clean = (directory: string): Effect.Effect<void, StoreError, FileSystem.FileSystem | Path.Path> =>
  Spool.cleanBelow(directory)
