/**
 * Directories that only their owner can change, and the only way to open files in them.
 *
 * It is public because the command line and `@live-response/node` open all their files through it. It takes `FileSystem`,
 * `Path` and `Platform` from the context.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { at, identify, makeOne, Names, ofNew, type Opened, resolve, type System } from "./internal/checkedNames.ts"
import * as GroupCommit from "./internal/groupCommit.ts"
import { whileOpenElsewhere } from "./internal/openFileRetry.ts"
import * as PathPermissions from "./internal/pathPermissions.ts"
import { DirectFiles } from "./DirectFiles.ts"
import { Platform } from "./Platform.ts"
import type { StoreError } from "./StoreError.ts"
import { fromPlatformError } from "./StoreError.ts"

/**
 * A directory whose files are opened by name.
 *
 * **Details**
 *
 * A name is that of a file (`manifest.jsonl`) or of a file in a subdirectory (`<machineActionId>/0.json`). Every operation
 * fails with a `StoreError` whose problem is `Untrusted` for any other name, such as `../x`, and for a file or subdirectory
 * that is a symbolic link, has other names (hard links), is not a regular file or directory, belongs to another user, or may
 * be written by other users.
 *
 * @since 0.1.0
 * @category models
 */
export interface PrivateDirectory {
  /** The path that was passed to `open`. */
  readonly path: string

  /** The path with all links resolved. */
  readonly realPath: string

  /** Whether its complete files are needed only until they are stored elsewhere, so that they need not survive a power cut. */
  readonly isTemporary: boolean

  /** The path of a file in the directory, for messages. */
  readonly pathOf: (name: string) => string

  /** The type, size, owner and mode of a file. None if there is no such file. */
  readonly info: (name: string) => Effect.Effect<Option.Option<FileSystem.File.Info>, StoreError>

  /** The names of what is in the directory, or in one below; none where that is missing. Nothing of it is checked. */
  readonly list: (below?: string) => Effect.Effect<ReadonlyArray<string>, StoreError>

  /** The bytes of a file. */
  readonly read: (name: string, options?: ReadOptions) => Stream.Stream<Uint8Array, StoreError>

  /**
   * The first bytes of a short file, at most `most`, where the program reads files at once (`DirectFiles`) and nothing is wrong
   * with this one. Otherwise `undefined`: then `read` reads it, or says why it can't.
   */
  readonly readNow: (name: string, most: number) => Uint8Array | undefined

  /**
   * The text of a file. None if there is no such file. A file with more than `longest` bytes is truncated, so what it
   * contains is not valid JSON.
   */
  readonly readString: (name: string, longest: number) => Effect.Effect<Option.Option<string>, StoreError>

  /** Opens a file for reading, such as a part of it at a time. None if there is no such file. */
  readonly openFile: (name: string) => Effect.Effect<Option.Option<FileSystem.File>, StoreError, Scope.Scope>

  /** Opens a file for appending and reading, and creates it (0600) if it is missing. */
  readonly append: (name: string) => Effect.Effect<FileSystem.File, StoreError, Scope.Scope>

  /** Creates a file (0600), and opens it for writing. A file of that name is removed first. */
  readonly create: (name: string) => Effect.Effect<FileSystem.File, StoreError, Scope.Scope>

  /**
   * Returns the real path of a file for a library that opens it itself, such as SQLite, and creates the file (0600) if it is
   * missing. It does not open an existing file, because closing it would release the locks that this process has on it.
   */
  readonly prepare: (name: string) => Effect.Effect<string, StoreError>

  /**
   * `append` for a file whose subdirectory may be missing: it is created (0700), and the directory above it is flushed unless that is
   * temporary.
   */
  readonly appendBelow: (name: string) => Effect.Effect<NewFile, StoreError, Scope.Scope>

  /** The same for `create`. */
  readonly createBelow: (name: string) => Effect.Effect<NewFile, StoreError, Scope.Scope>

  /**
   * Renames a file. A file that has the new name is replaced. The directory of the new name is flushed unless it is temporary, as
   * `syncDirectoryOf` does it.
   */
  readonly rename: (from: string, to: string) => Effect.Effect<void, StoreError>

  /**
   * Renames a file unless something has the new name: then it removes the file, and returns `false`. Of several programs and machines
   * that do it at once, one gets `true`. The directory is flushed in both cases: who has the name may not have flushed it yet.
   *
   * **Gotchas**
   *
   * The file has both names for a moment. Every operation refuses such a file, unless the directory was opened with `allowsLinks`.
   */
  readonly renameNew: (from: string, to: string) => Effect.Effect<boolean, StoreError>

  /** Removes a file if it exists. */
  readonly remove: (name: string) => Effect.Effect<void, StoreError>

  /** Whether the directory of a name exists. */
  readonly hasDirectoryOf: (name: string) => Effect.Effect<boolean, StoreError>

  /** Removes the subdirectory of a name if it is empty. No program may create a file in it meanwhile. */
  readonly removeEmptyDirectoryOf: (name: string) => Effect.Effect<void, StoreError>

  /** Creates the subdirectory (0700) of a name if it is missing, and flushes the directory above it unless that is temporary. */
  readonly makeDirectoryOf: (name: string) => Effect.Effect<void, StoreError>

  /**
   * Flushes the directory of a name, because a new name is durable only then. That a file system can't flush a directory is
   * not a failure; a full or broken disk and too many open files are.
   */
  readonly syncDirectoryOf: (name: string) => Effect.Effect<void, StoreError>
}

/**
 * A file that was opened, and whether its subdirectory was created for it: then nothing in there is older.
 *
 * @since 0.1.0
 * @category models
 */
export interface NewFile {
  readonly file: FileSystem.File
  readonly isFirst: boolean
}

type ReadOptions = NonNullable<Parameters<FileSystem.FileSystem["stream"]>[1]>

/** Removes the permission of other users to read a file. */
const tighten = Effect.fnUntraced(function* ({ fs, platform }: System, path: string, info: FileSystem.File.Info) {
  if (!PathPermissions.isReadableByOthers(info, platform.user)) return
  yield* at(path)(fs.chmod(path, 0o600))
  yield* Effect.logWarning(`other users could read ${path}; now only you can (mode 600)`)
})

/** A directory that was opened, and the names in it. */
interface Here {
  readonly system: System
  readonly names: Names
  readonly realPath: string
  readonly isTemporary: boolean
}

/** Creates the subdirectory of a name if it is missing, and gives whether it did. */
const makeBelow = ({ names, system }: Here, name: string): Effect.Effect<boolean, StoreError> =>
  Effect.flatMap(names.checkDirectoryOf(name), (isThere) =>
    isThere
      ? Effect.succeed(false)
      : Effect.tap(makeOne(system, system.paths.dirname(names.real(name))), names.checkSubdirectoryOf(name)),
  )

/** Opens the files of a directory, and creates its subdirectories. */
const openers = (here: Here) => {
  const { isTemporary, names, realPath, system } = here
  const { fs, platform } = system
  const syncTogether = GroupCommit.make(() => syncDirectory(system, realPath))
  const syncOpened = (name: string) => (isTemporary ? Effect.void : syncTogether(name))
  const open = (name: string, flag: FileSystem.OpenFlag) =>
    fs.open(names.real(name), { flag, mode: 0o600, noFollow: platform.hasNoFollow })
  const openKnown = (name: string, flag: FileSystem.OpenFlag) => at(names.pathOf(name))(open(name, flag))

  const append = Effect.fnUntraced(function* (name: string) {
    const found = yield* names.fileInfo(name)
    if (Option.isSome(found)) yield* tighten(system, names.real(name), found.value)
    return yield* openKnown(name, "a+")
  })

  const remove = Effect.fnUntraced(function* (name: string) {
    if (Option.isNone(yield* names.fileInfo(name))) return
    yield* whileOpenElsewhere(
      platform.whileOpenElsewhere,
      names.pathOf(name),
      fs.remove(names.real(name), { force: true }),
    )
  })

  /**
   * Creates a file in a directory that was checked just now. What has its name is neither followed nor changed, but checked, and opened
   * or removed.
   */
  const openNew = (name: string, flag: "ax+" | "wx") =>
    Effect.matchEffect(open(name, flag), {
      onSuccess: Effect.succeed,
      onFailure: (error) => {
        if (error.reason._tag !== "AlreadyExists") return Effect.fail(ofNew(names.pathOf(name))(error))
        return flag === "ax+" ? append(name) : Effect.andThen(remove(name), openKnown(name, "wx"))
      },
    })

  /** The flush comes last, because it waits for the disk: a directory that was checked before it would have to be checked again. */
  const openBelow = (name: string, flag: "ax+" | "wx") =>
    Effect.flatMap(makeBelow(here, name), (isFirst) =>
      Effect.tap(
        Effect.map(openNew(name, flag), (file): NewFile => ({ file, isFirst })),
        syncOpened(name),
      ),
    )

  return {
    remove,
    openFile: (name: string) =>
      Effect.flatMap(names.fileInfo(name), (info) =>
        Option.isNone(info) ? Effect.succeedNone : Effect.asSome(openKnown(name, "r")),
      ),
    append: (name: string) => Effect.andThen(names.checkDirectoryOf(name), openNew(name, "ax+")),
    create: (name: string) => Effect.andThen(names.checkDirectoryOf(name), openNew(name, "wx")),
    appendBelow: (name: string) => openBelow(name, "ax+"),
    createBelow: (name: string) => openBelow(name, "wx"),
    makeDirectoryOf: (name: string) => Effect.andThen(makeBelow(here, name), syncOpened(name)),
  }
}

/** Changes the names of a directory. */
const changers = ({ isTemporary, names, system }: Here) => {
  const { fs, paths, platform } = system
  /** Of a directory that was checked just now. */
  const syncDirectoryOf = (name: string) => syncDirectory(system, paths.dirname(names.real(name)))
  const syncLasting = (name: string) => (isTemporary ? Effect.void : syncDirectoryOf(name))
  const change = <A>(name: string, effect: Effect.Effect<A, PlatformError>) =>
    whileOpenElsewhere(platform.whileOpenElsewhere, names.pathOf(name), effect)

  return {
    syncDirectoryOf: (name: string) => Effect.andThen(names.checkDirectoryOf(name), syncDirectoryOf(name)),
    rename: (from: string, to: string) =>
      names
        .checkRename(from, to)
        .pipe(Effect.andThen(change(to, fs.rename(names.real(from), names.real(to)))), Effect.andThen(syncLasting(to))),
    renameNew: Effect.fnUntraced(function* (from: string, to: string) {
      yield* names.checkRenameNew(from, to)
      const isNew = yield* fs.link(names.real(from), names.real(to)).pipe(
        Effect.as(true),
        Effect.catchReason("PlatformError", "AlreadyExists", () => Effect.succeed(false)),
        at(names.pathOf(to)),
      )
      yield* change(from, fs.remove(names.real(from), { force: true }))
      yield* syncLasting(to)
      return isNew
    }),
    removeEmptyDirectoryOf: Effect.fnUntraced(function* (name: string) {
      if (!name.includes("/") || !(yield* names.checkDirectoryOf(name))) return
      const directory = paths.dirname(names.real(name))
      const content = yield* at(directory)(fs.readDirectory(directory))
      // Only the recursive removal removes a directory.
      if (content.length === 0) yield* at(directory)(fs.remove(directory, { recursive: true, force: true }))
    }),
  }
}

/**
 * How a directory is opened.
 *
 * @since 0.1.0
 * @category options
 */
export interface OpenOptions {
  readonly allowsLinks?: boolean | undefined
  readonly isTemporary?: boolean | undefined
}

const make = (system: System, opened: Opened, isTemporary: boolean): PrivateDirectory => {
  const { direct, fs } = system
  const { path, realPath } = opened
  const names = new Names(system, opened)
  const pathOf = (name: string) => names.pathOf(name)
  const real = (name: string) => names.real(name)

  /** The bytes of a file that was checked. */
  const stream = (name: string, options?: Parameters<PrivateDirectory["read"]>[1]) =>
    Stream.mapError(fs.stream(real(name), options), fromPlatformError(pathOf(name)))
  const here: Here = { system, names, realPath, isTemporary }

  return {
    path,
    realPath,
    isTemporary,
    pathOf,
    ...openers(here),
    ...changers(here),
    info: (name) => names.info(name),
    list: Effect.fnUntraced(function* (below) {
      if (below === undefined) return yield* Effect.andThen(names.checkOpened, at(path)(fs.readDirectory(realPath)))
      return (yield* names.checkDirectoryOf(`${below}/_`))
        ? yield* at(pathOf(below))(fs.readDirectory(real(below)))
        : []
    }),
    read: (name, options) => Stream.unwrap(Effect.map(names.fileInfo(name), () => stream(name, options))),
    readNow: (name, most) =>
      direct !== undefined && names.isTrusted(name) ? direct.read(real(name), most) : undefined,
    readString: Effect.fnUntraced(function* (name, longest) {
      if (Option.isNone(yield* names.fileInfo(name))) return Option.none()
      return Option.some(yield* Stream.mkString(Stream.decodeText(stream(name, { bytesToRead: longest }))))
    }),
    prepare: Effect.fnUntraced(function* (name) {
      const found = yield* names.fileInfo(name)
      if (Option.isNone(found))
        yield* Effect.scoped(createUnlessThere(fs, real(name))).pipe(Effect.mapError(ofNew(pathOf(name))))
      return real(name)
    }),
    hasDirectoryOf: (name) => names.checkDirectoryOf(name),
  }
}

/** Creates a file if it is missing. Another program may create it at the same time. */
const createUnlessThere = (fs: FileSystem.FileSystem, path: string) =>
  fs
    .open(path, { flag: "wx", mode: 0o600 })
    .pipe(Effect.catchReason("PlatformError", "AlreadyExists", () => Effect.void))

/** Whether an error is a failure of the disk or the process, and not a missing feature of the platform. */
const isTrouble = ({ detail, problem }: StoreError): boolean =>
  problem === "DiskFull" || problem === "TooManyOpenFiles" || detail.startsWith("EIO:")

const syncDirectory = (system: System, path: string): Effect.Effect<void, StoreError> => {
  if (!system.platform.flushesDirectories) return Effect.void
  const { flushDirectory } = system.direct ?? {}
  return flushDirectory === undefined
    ? openAndSync(system, path)
    : Effect.flatMap(flushDirectory(path), (isFlushed) => (isFlushed ? Effect.void : openAndSync(system, path)))
}

const openAndSync = ({ fs }: System, path: string): Effect.Effect<void, StoreError> =>
  Effect.scoped(Effect.flatMap(fs.open(path, { flag: "r" }), (directory) => directory.sync)).pipe(
    Effect.mapError(fromPlatformError(path)),
    Effect.catch((error) => (isTrouble(error) ? Effect.fail(error) : Effect.void)),
  )

const system = Effect.gen(function* () {
  return {
    fs: yield* FileSystem.FileSystem,
    paths: yield* Path.Path,
    platform: yield* Platform,
    direct: yield* DirectFiles,
  } satisfies System
})

/**
 * Opens a directory. It is created (0700), with the directories above it, if it is missing.
 *
 * **Details**
 *
 * It may itself be named through symbolic links, as `/var/cases` on another disk is, if they belong to this user or to
 * root. It fails with a `StoreError` whose problem is `Untrusted` where the directory belongs to another user, where its
 * group or others may write to it, and where others may rename it: each directory above it must belong to this user or
 * to root, and be writable by nobody else, no group either, unless it is sticky, as /tmp is. Once the directory
 * was replaced, each operation fails with the same problem.
 *
 * `allowsLinks` is for a directory whose files are published with `link`, and have two names for a moment. `isTemporary` is for
 * one whose complete files are stored elsewhere and removed: to flush them would cost more than to write them.
 *
 * @example
 * ```ts
 * import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
 * import * as Effect from "effect/Effect"
 *
 * export const program = Effect.gen(function* () {
 *   const directory = yield* PrivateDirectory.open("case-4711")
 *   return yield* directory.readString("follow.json", 1_000_000)
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const open = Effect.fnUntraced(function* (
  path: string,
  options: OpenOptions = {},
): Effect.fn.Return<PrivateDirectory, StoreError, FileSystem.FileSystem | Path.Path> {
  const here = yield* system
  const realPath = Option.getOrElse(yield* resolve(here, path, true), () => path)
  const { allowsLinks = false, isTemporary = false } = options
  return make(here, { ...(yield* identify(here, path, realPath)), allowsLinks }, isTemporary)
})

/**
 * Opens a directory as `open` does if it exists. None, and nothing is created, if it is missing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const find = Effect.fnUntraced(function* (
  path: string,
): Effect.fn.Return<Option.Option<PrivateDirectory>, StoreError, FileSystem.FileSystem | Path.Path> {
  const here = yield* system
  const realPath = Option.getOrUndefined(yield* resolve(here, path, false))
  return realPath === undefined
    ? Option.none()
    : Option.some(make(here, { ...(yield* identify(here, path, realPath)), allowsLinks: false }, false))
})
