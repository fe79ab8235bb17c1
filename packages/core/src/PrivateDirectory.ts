/**
 * Directories that only their owner can change, and the only way to open files in them.
 *
 * It is public because the command line and `@live-response/node` open all their files through it. It takes `FileSystem`
 * and `Path` from the context.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as GroupCommit from "./internal/groupCommit.ts"
import * as Trust from "./internal/trust.ts"
import { fromPlatformError, isOfOneFile, StoreError } from "./StoreError.ts"

/**
 * The id of the user who runs this program. With it, directories and files of other users are refused.
 *
 * **Gotchas**
 *
 * By default, and on Windows, it is unknown: owners and modes are not checked then, and only links are refused. Provide it
 * with `NodeUser.layer` of `@live-response/node`.
 *
 * @since 0.1.0
 * @category references
 */
export const UserId = Context.Reference<number | undefined>("@live-response/core/PrivateDirectory/UserId", {
  defaultValue: () => undefined,
})

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

  /** The path of a file in the directory, for messages. */
  readonly pathOf: (name: string) => string

  /** The type, size, owner and mode of a file. None if there is no such file. */
  readonly info: (name: string) => Effect.Effect<Option.Option<FileSystem.File.Info>, StoreError>

  /** The names of what is in the directory, or in one below; none where that is missing. Nothing of it is checked. */
  readonly list: (below?: string) => Effect.Effect<ReadonlyArray<string>, StoreError>

  /** The bytes of a file. */
  readonly read: (name: string, options?: ReadOptions) => Stream.Stream<Uint8Array, StoreError>

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

  /** Renames a file. A file that has the new name is replaced. */
  readonly rename: (from: string, to: string) => Effect.Effect<void, StoreError>

  /** Removes a file if it exists. */
  readonly remove: (name: string) => Effect.Effect<void, StoreError>

  /** Whether the directory of a name exists. */
  readonly hasDirectoryOf: (name: string) => Effect.Effect<boolean, StoreError>

  /** Creates the subdirectory (0700) of a name if it is missing, and flushes the directory above it. */
  readonly makeDirectoryOf: (name: string) => Effect.Effect<void, StoreError>

  /**
   * Flushes the directory of a name, because a new name is durable only then. Platforms that can't flush a directory do not
   * need it, so that is not a failure; a full or broken disk and too many open files are.
   */
  readonly syncDirectoryOf: (name: string) => Effect.Effect<void, StoreError>
}

type ReadOptions = NonNullable<Parameters<FileSystem.FileSystem["stream"]>[1]>

interface Platform {
  readonly fs: FileSystem.FileSystem
  readonly paths: Path.Path
  readonly user: number | undefined
}

const at =
  (path: string) =>
  <A, R>(effect: Effect.Effect<A, PlatformError, R>): Effect.Effect<A, StoreError, R> =>
    Effect.mapError(effect, fromPlatformError(path))

const optional = <A, R>(effect: Effect.Effect<A, PlatformError, R>) =>
  Effect.catchReason(Effect.asSome(effect), "PlatformError", "NotFound", () => Effect.succeedNone)

const untrusted = (path: string, detail: string) => new StoreError({ path, problem: "Untrusted", detail })

const trust = (path: string, problem: string | undefined): Effect.Effect<void, StoreError> =>
  problem === undefined ? Effect.void : Effect.fail(untrusted(path, problem))

const expectDirectory = ({ type }: FileSystem.File.Info, path: string): Effect.Effect<void, StoreError> =>
  type === "Directory" ? Effect.void : Effect.fail(new StoreError({ path, problem: "NotADirectory", detail: type }))

/** Creates one directory. Another program may create the same one at the same time. */
const makeOne = ({ fs }: Platform, path: string): Effect.Effect<void, StoreError> =>
  fs.makeDirectory(path, { mode: 0o700 }).pipe(
    Effect.catchReason("PlatformError", "AlreadyExists", () => Effect.void),
    at(path),
  )

/** How many links Linux follows in a path. */
const mostLinks = 40

/**
 * Resolves the path of a directory as the system does, and checks each directory and link in it: a user who can change one
 * of them decides where the path leads. With `make`, missing directories are created one by one, because Node's recursive
 * creation never returns for a directory that can be read but not written, such as /proc.
 */
const resolve = (
  platform: Platform,
  given: string,
  make: boolean,
): Effect.Effect<Option.Option<string>, StoreError> => {
  const { fs, paths, user } = platform
  let links = 0
  const walk = Effect.fnUntraced(function* (
    path: string,
    role: "ancestor" | "directory",
  ): Effect.fn.Return<Option.Option<string>, StoreError> {
    const above = paths.dirname(path)
    const parent = above === path ? Option.some(above) : yield* walk(above, "ancestor")
    if (Option.isNone(parent)) return parent
    const here = above === path ? path : paths.join(parent.value, paths.basename(path))
    const found = yield* at(here)(optional(fs.lstat(here)))
    if (Option.isNone(found) && !make) return Option.none()
    if (Option.isNone(found)) yield* makeOne(platform, here)
    const info = Option.isSome(found) ? found.value : yield* at(here)(fs.lstat(here))
    if (info.type === "SymbolicLink") {
      yield* trust(here, Trust.ofPathLink(info, user))
      if (++links > mostLinks)
        return yield* untrusted(here, "too many symbolic links in the path; choose another directory")
      return yield* walk(paths.resolve(parent.value, yield* at(here)(fs.readLink(here))), role)
    }
    yield* expectDirectory(info, given)
    yield* trust(here, role === "directory" ? Trust.ofDirectory(info, user, here) : Trust.ofAncestor(info, user, here))
    return Option.some(here)
  })
  return walk(paths.resolve(given), "directory")
}

/** Whether an error is a failure of the disk or the process, and not a missing feature of the platform. */
const isTrouble = ({ detail, problem }: StoreError): boolean =>
  problem === "DiskFull" || problem === "TooManyOpenFiles" || detail.startsWith("EIO:")

const isPlain = (segment: string): boolean => /^[^/\\:\0]+$/.test(segment) && segment !== "." && segment !== ".."

/** The segments of a name, or `undefined` if it is not a valid name. */
const segmentsOf = (name: string): ReadonlyArray<string> | undefined => {
  const segments = name.split("/")
  return segments.length <= 2 && segments.every(isPlain) ? segments : undefined
}

/** The directory that was opened, and not another one that has its name by now. */
interface Opened {
  /** As it was given. */
  readonly path: string
  readonly realPath: string
  readonly dev: bigint
  readonly ino: bigint | undefined
}

const inodeOf = ({ ino }: FileSystem.File.Info) => Option.getOrUndefined(ino)

const identify = Effect.fnUntraced(function* ({ fs }: Platform, path: string, realPath: string) {
  const info = yield* at(path)(fs.lstat(realPath))
  return { path, realPath, dev: info.dev, ino: inodeOf(info) } satisfies Opened
})

type Info = FileSystem.File.Info

/** The subdirectory of a name: none is empty. */
const below = (name: string): string => name.slice(0, Math.max(0, name.indexOf("/")))

/** Where a name leads, once it is known that nothing on the way to it leads elsewhere. */
class Names {
  private readonly platform: Platform
  private readonly opened: Opened

  constructor(platform: Platform, opened: Opened) {
    this.platform = platform
    this.opened = opened
  }

  pathOf(name: string): string {
    return this.platform.paths.join(this.opened.path, name)
  }

  real(name: string): string {
    return this.platform.paths.join(this.opened.realPath, name)
  }

  /** What is at a path. None if there is nothing. It runs several times for each result, so it is one step. */
  private look(realPath: string, pathOf: () => string): Effect.Effect<Option.Option<Info>, StoreError> {
    return Effect.matchEffect(this.platform.fs.lstat(realPath), {
      onSuccess: Effect.succeedSome,
      onFailure: (error) =>
        error.reason._tag === "NotFound" ? Effect.succeedNone : Effect.fail(fromPlatformError(pathOf())(error)),
    })
  }

  /** Something else under the name of a result file concerns that result only. */
  private ofResult<A, R>(name: string, check: Effect.Effect<A, StoreError, R>): Effect.Effect<A, StoreError, R> {
    return Effect.mapError(check, (error) =>
      name.includes("/") && error.path !== this.opened.path && isOfOneFile(error)
        ? new StoreError({ ...error, ofResult: true })
        : error,
    )
  }

  /** Files written into a directory that replaced this one would be lost, and look like success. */
  get checkOpened(): Effect.Effect<void, StoreError> {
    const { dev, ino, path, realPath } = this.opened
    return Effect.flatMap(
      this.look(realPath, () => path),
      (now) => {
        if (Option.isSome(now) && now.value.dev === dev && inodeOf(now.value) === ino) return Effect.void
        const detail =
          "it was removed or replaced while it was in use; run the same command again, in a directory that nobody else moves"
        return Effect.fail(untrusted(path, detail))
      },
    )
  }

  private checkName(name: string): Effect.Effect<void, StoreError> {
    return segmentsOf(name) === undefined
      ? Effect.fail(untrusted(this.pathOf(name), "not the name of a file in this directory"))
      : Effect.void
  }

  /** Gives whether the subdirectory of a name is there. */
  private checkBelow(name: string): Effect.Effect<boolean, StoreError> {
    const path = this.pathOf(below(name))
    const { user } = this.platform
    return Effect.flatMap(
      this.look(this.real(below(name)), () => path),
      Option.match({
        onNone: () => Effect.succeed(false),
        onSome: (info) =>
          trust(path, Trust.ofLink(info)).pipe(
            Effect.andThen(expectDirectory(info, path)),
            Effect.andThen(trust(path, Trust.ofDirectory(info, user, path))),
            Effect.as(true),
          ),
      }),
    )
  }

  /** Gives whether the directory that a name is in is there. */
  private checkAbove(name: string): Effect.Effect<boolean, StoreError> {
    return this.checkName(name).pipe(
      Effect.andThen(this.checkOpened),
      Effect.andThen(name.includes("/") ? this.checkBelow(name) : Effect.succeed(true)),
    )
  }

  /** The type, size, owner and mode of a file in a directory that was checked. */
  private checkFile(name: string): Effect.Effect<Option.Option<Info>, StoreError> {
    const path = this.pathOf(name)
    return Effect.tap(
      this.look(this.real(name), () => path),
      (found) => (Option.isSome(found) ? trust(path, Trust.ofFile(found.value, this.platform.user)) : Effect.void),
    )
  }

  private checkNotDirectory(name: string, found: Option.Option<Info>): Effect.Effect<void, StoreError> {
    if (!Option.exists(found, ({ type }) => type === "Directory")) return Effect.void
    const detail = "a file is needed here, and there is a directory; remove it, or choose another directory"
    return Effect.fail(new StoreError({ path: this.pathOf(name), problem: "Failed", detail }))
  }

  private checked(name: string): Effect.Effect<Option.Option<Info>, StoreError> {
    return Effect.flatMap(this.checkAbove(name), (isThere) => (isThere ? this.checkFile(name) : Effect.succeedNone))
  }

  checkDirectoryOf(name: string): Effect.Effect<boolean, StoreError> {
    return this.ofResult(name, this.checkAbove(name))
  }

  /** The same right after the directory was checked, and the subdirectory created. */
  checkSubdirectoryOf(name: string): Effect.Effect<boolean, StoreError> {
    return this.ofResult(name, this.checkBelow(name))
  }

  info(name: string): Effect.Effect<Option.Option<Info>, StoreError> {
    return this.ofResult(name, this.checked(name))
  }

  /** What is known of a file that is opened or removed. */
  fileInfo(name: string): Effect.Effect<Option.Option<Info>, StoreError> {
    return this.ofResult(
      name,
      Effect.tap(this.checked(name), (found) => this.checkNotDirectory(name, found)),
    )
  }

  /** Checks a file that is renamed, and one that it replaces. */
  checkRename(from: string, to: string): Effect.Effect<void, StoreError> {
    const file = (name: string) =>
      this.ofResult(
        name,
        Effect.flatMap(this.checkFile(name), (found) => this.checkNotDirectory(name, found)),
      )
    return this.checkDirectoryOf(from).pipe(
      Effect.andThen(below(from) === below(to) ? this.checkName(to) : this.checkDirectoryOf(to)),
      Effect.andThen(file(from)),
      Effect.andThen(file(to)),
    )
  }
}

/** Removes the permission of other users to read a file. */
const tighten = Effect.fnUntraced(function* ({ fs, user }: Platform, path: string, { mode }: FileSystem.File.Info) {
  if (!Trust.isReadableByOthers(mode, user)) return
  yield* at(path)(fs.chmod(path, 0o600))
  yield* Effect.logWarning(`other users could read ${path}; now only you can (mode 600)`)
})

/** Opens the files of a directory. */
const openers = (platform: Platform, names: Names) => {
  const { fs, user } = platform
  const open = (name: string, flag: FileSystem.OpenFlag) =>
    // Platforms without users do not have the flag.
    fs.open(names.real(name), { flag, mode: 0o600, noFollow: user !== undefined })
  const openKnown = (name: string, flag: FileSystem.OpenFlag) => at(names.pathOf(name))(open(name, flag))

  /** Creates a file. Where something has its name, which is neither followed nor changed, `orElse` checks and opens it. */
  const openNew = <R>(name: string, flag: "ax+" | "wx", orElse: Effect.Effect<FileSystem.File, StoreError, R>) =>
    Effect.flatMap(names.checkDirectoryOf(name), () =>
      Effect.matchEffect(open(name, flag), {
        onSuccess: Effect.succeed,
        onFailure: (error) =>
          error.reason._tag === "AlreadyExists" ? orElse : Effect.fail(fromPlatformError(names.pathOf(name))(error)),
      }),
    )

  const append = Effect.fnUntraced(function* (name: string) {
    const found = yield* names.fileInfo(name)
    if (Option.isSome(found)) yield* tighten(platform, names.real(name), found.value)
    return yield* openKnown(name, "a+")
  })

  const remove = Effect.fnUntraced(function* (name: string) {
    if (Option.isNone(yield* names.fileInfo(name))) return
    yield* fs.remove(names.real(name), { force: true }).pipe(at(names.pathOf(name)))
  })

  return {
    remove,
    openFile: (name: string) =>
      Effect.flatMap(names.fileInfo(name), (info) =>
        Option.isNone(info) ? Effect.succeedNone : Effect.asSome(openKnown(name, "r")),
      ),
    append: (name: string) => openNew(name, "ax+", append(name)),
    create: (name: string) => openNew(name, "wx", Effect.andThen(remove(name), openKnown(name, "wx"))),
  }
}

const make = (platform: Platform, opened: Opened): PrivateDirectory => {
  const { fs, paths } = platform
  const { path, realPath } = opened
  const names = new Names(platform, opened)
  const pathOf = (name: string) => names.pathOf(name)
  const real = (name: string) => names.real(name)

  /** The bytes of a file that was checked. */
  const stream = (name: string, options?: Parameters<PrivateDirectory["read"]>[1]) =>
    Stream.mapError(fs.stream(real(name), options), fromPlatformError(pathOf(name)))
  const syncOpened = GroupCommit.make(() => syncDirectory(fs, realPath))

  return {
    path,
    realPath,
    pathOf,
    ...openers(platform, names),
    info: (name) => names.info(name),
    list: Effect.fnUntraced(function* (below) {
      if (below === undefined) return yield* Effect.andThen(names.checkOpened, at(path)(fs.readDirectory(realPath)))
      return (yield* names.checkDirectoryOf(`${below}/_`))
        ? yield* at(pathOf(below))(fs.readDirectory(real(below)))
        : []
    }),
    read: (name, options) => Stream.unwrap(Effect.map(names.fileInfo(name), () => stream(name, options))),
    readString: Effect.fnUntraced(function* (name, longest) {
      if (Option.isNone(yield* names.fileInfo(name))) return Option.none()
      return Option.some(yield* Stream.mkString(Stream.decodeText(stream(name, { bytesToRead: longest }))))
    }),
    prepare: Effect.fnUntraced(function* (name) {
      const found = yield* names.fileInfo(name)
      if (Option.isNone(found)) yield* Effect.scoped(createUnlessThere(fs, real(name))).pipe(at(pathOf(name)))
      return real(name)
    }),
    rename: (from, to) => Effect.andThen(names.checkRename(from, to), at(pathOf(to))(fs.rename(real(from), real(to)))),
    hasDirectoryOf: (name) => names.checkDirectoryOf(name),
    makeDirectoryOf: Effect.fnUntraced(function* (name) {
      if (!(yield* names.checkDirectoryOf(name))) {
        yield* makeOne(platform, paths.dirname(real(name)))
        yield* names.checkSubdirectoryOf(name)
      }
      yield* syncOpened(name)
    }),
    syncDirectoryOf: (name) =>
      Effect.andThen(names.checkDirectoryOf(name), syncDirectory(fs, paths.dirname(real(name)))),
  }
}

/** Creates a file if it is missing. Another program may create it at the same time. */
const createUnlessThere = (fs: FileSystem.FileSystem, path: string) =>
  fs
    .open(path, { flag: "wx", mode: 0o600 })
    .pipe(Effect.catchReason("PlatformError", "AlreadyExists", () => Effect.void))

const syncDirectory = (fs: FileSystem.FileSystem, path: string): Effect.Effect<void, StoreError> =>
  Effect.scoped(Effect.flatMap(fs.open(path, { flag: "r" }), (directory) => directory.sync)).pipe(
    Effect.mapError(fromPlatformError(path)),
    Effect.catch((error) => (isTrouble(error) ? Effect.fail(error) : Effect.void)),
  )

const platform = Effect.gen(function* () {
  return { fs: yield* FileSystem.FileSystem, paths: yield* Path.Path, user: yield* UserId } satisfies Platform
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
): Effect.fn.Return<PrivateDirectory, StoreError, FileSystem.FileSystem | Path.Path> {
  const system = yield* platform
  const realPath = Option.getOrElse(yield* resolve(system, path, true), () => path)
  return make(system, yield* identify(system, path, realPath))
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
  const system = yield* platform
  const realPath = Option.getOrUndefined(yield* resolve(system, path, false))
  return realPath === undefined ? Option.none() : Option.some(make(system, yield* identify(system, path, realPath)))
})
