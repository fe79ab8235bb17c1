/**
 * An object store in a directory that several machines share, such as one on NFS.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import * as FileName from "./FileName.ts"
import { Hasher } from "./Hasher.ts"
import { randomHex } from "./internal/randomHex.ts"
import * as ObjectStore from "./ObjectStore.ts"
import { Files, Missing, type ObjectStoreError } from "./ObjectStoreError.ts"
import * as PrivateDirectory from "./PrivateDirectory.ts"
import { fromPlatformError, type StoreError } from "./StoreError.ts"

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly directory: string
}

/** Where an object is: a private directory has files, and one level of subdirectories. */
const split = (path: string): { readonly base: string; readonly name: string } => {
  const words = path.split("/")
  return { base: words.slice(0, -2).join("/"), name: words.slice(-2).join("/") }
}

/**
 * Removes the parts beside a file that is complete. A program that was killed left them, or another one still writes the same
 * object: then it finds that its part is gone and the object is there.
 */
const removeLeftovers = Effect.fnUntraced(function* (directory: PrivateDirectory.PrivateDirectory, name: string) {
  const start = name.slice(0, name.lastIndexOf("/") + 1)
  for (const file of yield* directory.list(start === "" ? undefined : start.slice(0, -1))) {
    const part = start + file
    if (part.startsWith(`${name}.`) && part.endsWith(".part")) yield* directory.remove(part)
  }
})

/**
 * Gives a part its name, unless that is taken. The program that has taken it may have removed the part as well, and may not have
 * flushed the name yet.
 */
const publish = (directory: PrivateDirectory.PrivateDirectory, part: string, name: string) =>
  directory
    .renameNew(part, name)
    .pipe(
      Effect.catch((error) =>
        Effect.flatMap(directory.info(name), (found) =>
          Option.exists(found, ({ type }) => type === "File")
            ? Effect.as(directory.syncDirectoryOf(name), false)
            : Effect.fail(error),
        ),
      ),
    )

type InStore = <A, R>(effect: Effect.Effect<A, StoreError, R>) => Effect.Effect<A, ObjectStoreError, R>

/** Writes a file under a name of its own, and links it to its name unless that is taken. */
const create = Effect.fnUntraced(function* <E, R>(
  { directory, name }: { readonly directory: PrivateDirectory.PrivateDirectory; readonly name: string },
  content: ObjectStore.Content<E, R>,
  inStore: InStore,
  check: (found: ObjectStore.Info) => Effect.Effect<void, ObjectStoreError>,
) {
  const hash = (yield* Hasher)("SHA-256")
  const part = FileName.partOf(name, yield* randomHex(16))
  const inPart = fromPlatformError(directory.pathOf(part))
  let isRemoved = false
  yield* Effect.addFinalizer(() => (isRemoved ? Effect.void : Effect.ignore(directory.remove(part))))
  const { file, isFirst } = yield* inStore(directory.createBelow(part))
  let bytes = 0
  yield* Stream.runForEach(content.stream, (chunk) => {
    bytes += chunk.length
    hash.update(chunk)
    return inStore(Effect.mapError(file.writeAll(chunk), inPart))
  })
  yield* check({ bytes, sha256: Hex.encode(hash.digest()) })
  yield* inStore(Effect.mapError(file.sync, inPart))
  const isCreated = yield* inStore(publish(directory, part, name))
  // Where the name was taken the part may still be there.
  isRemoved = isCreated
  // No program has left anything in a directory that this one created just now.
  if (!isFirst) yield* Effect.ignore(removeLeftovers(directory, name))
  return isCreated ? ("stored" as const) : ("exists" as const)
}, Effect.scoped)

/** The directories by the beginnings of names. One that was replaced, as by a new mount, is opened again. */
const directories = Effect.fnUntraced(function* ({ directory: root }: Options) {
  // Directories are opened with the services of this layer, such as the rules of the platform, and not with those of a caller.
  const context = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
  const paths = yield* Path.Path
  const opened = new Map<string, PrivateDirectory.PrivateDirectory>()
  const open = Effect.fnUntraced(function* (base: string) {
    const known = opened.get(base)
    if (known !== undefined) return known
    const directory = yield* PrivateDirectory.open(paths.join(root, base), { allowsLinks: true })
    opened.set(base, directory)
    return directory
  }, Effect.provide(context))
  const forget = (base: string) => Effect.sync(() => opened.delete(base))
  return { open, forget, address: `file://${paths.resolve(root)}` }
})

const make = Effect.fnUntraced(function* (options: Options) {
  const { address, forget, open } = yield* directories(options)
  yield* open("")

  /** An object's directory and name in it, and how its errors are reported. */
  const at = (path: string) => {
    const { base, name } = split(path)
    const inStore: InStore = (effect) =>
      effect.pipe(
        Effect.tapError(() => forget(base)),
        Effect.mapError(({ detail, problem }) => ObjectStore.failed(address, path, new Files({ problem, detail }))),
      )
    return { inStore, located: Effect.map(inStore(open(base)), (directory) => ({ directory, name })) }
  }

  const info = (path: string) => {
    const { inStore, located } = at(path)
    return Effect.flatMap(located, ({ directory, name }) => inStore(directory.info(name))).pipe(
      Effect.map(Option.filter(({ type }) => type === "File")),
      Effect.map(Option.map(({ size }): ObjectStore.Info => ({ bytes: Number(size) }))),
    )
  }

  return yield* ObjectStore.make({
    address,
    info,
    read: (path) => {
      const { located } = at(path)
      const open = Effect.gen(function* () {
        const { directory, name } = yield* located
        if (Option.isNone(yield* info(path))) return yield* ObjectStore.failed(address, path, new Missing())
        return Stream.mapError(directory.read(name), ({ detail, problem }) =>
          ObjectStore.failed(address, path, new Files({ problem, detail })),
        )
      })
      return Stream.unwrap(open)
    },
    create: (path, content) => {
      const { inStore, located } = at(path)
      const check = (found: ObjectStore.Info) => ObjectStore.checkContent(address, path, content, found)
      return Effect.flatMap(located, (file) => create(file, content, inStore, check))
    },
  })
})

/**
 * Stores objects in a directory that several machines share.
 *
 * **Details**
 *
 * - A file is written under a name of its own, flushed, and then linked to its name, which fails where the name is taken. That is
 *   atomic on local disks and on NFS. Then the directory is flushed, and what killed programs left of the same file is removed.
 * - All machines need the same user: directories and files are for their owner alone (0700, 0600), and others are refused, as
 *   `PrivateDirectory` does it.
 * - A hash is not recorded: two equal contents are found by reading the file.
 *
 * **Gotchas**
 *
 * The file system must have hard links. SMB often has none.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options,
): Layer.Layer<ObjectStore.ObjectStore, StoreError, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(ObjectStore.ObjectStore, make(options))
