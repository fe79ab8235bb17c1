/** The names of files in a directory, and the checks that nothing on the way to one of them leads elsewhere. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import type * as DirectFiles from "../DirectFiles.ts"
import * as FileName from "../FileName.ts"
import type * as Platform from "../Platform.ts"
import { fromPlatformError, isOfOneFile, StoreError } from "../StoreError.ts"
import * as PathPermissions from "./pathPermissions.ts"

export interface System {
  readonly fs: FileSystem.FileSystem
  readonly paths: Path.Path
  readonly platform: Platform.Service
  readonly direct: DirectFiles.Service | undefined
}

export const at =
  (path: string) =>
  <A, R>(effect: Effect.Effect<A, PlatformError, R>): Effect.Effect<A, StoreError, R> =>
    Effect.mapError(effect, fromPlatformError(path))

/** The error of what could not be created in a directory that is there: /proc, for example, takes none. */
export const ofNew =
  (path: string) =>
  (error: PlatformError): StoreError =>
    error.reason._tag === "NotFound"
      ? new StoreError({ path, problem: "NotWritable", detail: error.message })
      : fromPlatformError(path)(error)

const optional = <A, R>(effect: Effect.Effect<A, PlatformError, R>) =>
  Effect.catchReason(Effect.asSome(effect), "PlatformError", "NotFound", () => Effect.succeedNone)

export const untrusted = (path: string, detail: string) => new StoreError({ path, problem: "Untrusted", detail })

const failIf = (problem: StoreError | undefined): Effect.Effect<void, StoreError> =>
  problem === undefined ? Effect.void : Effect.fail(problem)

const given = <A>(judged: A | StoreError): Effect.Effect<A, StoreError> =>
  judged instanceof StoreError ? Effect.fail(judged) : Effect.succeed(judged)

const trust = (path: string, problem: string | undefined): Effect.Effect<void, StoreError> =>
  failIf(problem === undefined ? undefined : untrusted(path, problem))

const notADirectory = ({ type }: FileSystem.File.Info, path: string): StoreError =>
  new StoreError({ path, problem: "NotADirectory", detail: type })

/** Creates one directory. Gives `false` where another program has created the same one meanwhile. */
export const makeOne = ({ fs, paths, platform }: System, path: string): Effect.Effect<boolean, StoreError> =>
  Effect.andThen(
    failIf(problemOfName(platform, path, paths.basename(path))),
    fs.makeDirectory(path, { mode: 0o700 }).pipe(
      Effect.as(true),
      Effect.catchReason("PlatformError", "AlreadyExists", () => Effect.succeed(false)),
      Effect.mapError(ofNew(path)),
    ),
  )

/** Why the system can't have a file or directory of this name. */
const problemOfName = ({ problemOfName }: Platform.Service, path: string, name: string): StoreError | undefined => {
  const problem = problemOfName(name)
  return problem === undefined
    ? undefined
    : new StoreError({ path, problem: "Failed", detail: `${problem}; choose another name` })
}

/** Fails if the path of a directory is too long for the names of its files. */
const checkLength = (
  { longestPath }: Platform.Service,
  path: string,
  given: string,
): Effect.Effect<void, StoreError> => {
  const most = longestPath === undefined ? Infinity : longestPath - 1 - FileName.longest
  if (path.length <= most) return Effect.void
  const detail = `its path has ${path.length} characters, and with more than ${most} the paths of its files are too long; choose a directory with a shorter path`
  return Effect.fail(new StoreError({ path: given, problem: "Failed", detail }))
}

/** How many links Linux follows in a path. */
const mostLinks = 40

/**
 * Resolves the path of a directory as the system does, and checks each directory and link in it: a user who can change one
 * of them decides where the path leads. With `make`, missing directories are created one by one, because Node's recursive
 * creation never returns for a directory that can be read but not written, such as /proc.
 */
export const resolve = (
  system: System,
  given: string,
  make: boolean,
): Effect.Effect<Option.Option<string>, StoreError> => {
  const { fs, paths, platform } = system
  const { user } = platform
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
    if (Option.isNone(found)) yield* makeOne(system, here)
    const info = Option.isSome(found) ? found.value : yield* at(here)(fs.lstat(here))
    if (info.type === "SymbolicLink") {
      yield* trust(here, PathPermissions.ofPathLink(info, user))
      if (++links > mostLinks)
        return yield* untrusted(here, "too many symbolic links in the path; choose another directory")
      return yield* walk(paths.resolve(parent.value, yield* at(here)(fs.readLink(here))), role)
    }
    if (info.type !== "Directory") return yield* notADirectory(info, given)
    yield* trust(
      here,
      role === "directory"
        ? PathPermissions.ofDirectory(info, user, here)
        : PathPermissions.ofAncestor(info, user, here),
    )
    return Option.some(here)
  })
  const path = paths.resolve(given)
  const walked = walk(path, "directory")
  return make ? Effect.andThen(checkLength(platform, path, given), walked) : walked
}

const isPlain = (segment: string): boolean => /^[^/\\:\0]+$/.test(segment) && segment !== "." && segment !== ".."

/** The segments of a name, or `undefined` if it is not a valid name. */
const segmentsOf = (name: string): ReadonlyArray<string> | undefined => {
  const segments = name.split("/")
  return segments.length <= 2 && segments.every(isPlain) ? segments : undefined
}

/** The directory that was opened, and not another one that has its name by now. */
export interface Opened {
  /** As it was given. */
  readonly path: string
  readonly realPath: string
  readonly dev: bigint
  readonly ino: bigint | undefined
  /** Whether a file may have several names. */
  readonly allowsLinks: boolean
}

const inodeOf = ({ ino }: FileSystem.File.Info) => Option.getOrUndefined(ino)

export const identify = Effect.fnUntraced(function* ({ fs }: System, path: string, realPath: string) {
  const info = yield* at(path)(fs.lstat(realPath))
  return { path, realPath, dev: info.dev, ino: inodeOf(info) }
})

type Info = FileSystem.File.Info

/** The subdirectory of a name: none is empty. */
const below = (name: string): string => name.slice(0, Math.max(0, name.indexOf("/")))

/** What stands before a name in its path. */
const prefixOf = (paths: Path.Path, directory: string): string => paths.join(directory, "_").slice(0, -1)

/** Joins a name, as `Path.join` does. That would cost as much as to look at the file, so that it is for unusual names alone. */
const joined = (paths: Path.Path, directory: string, prefix: string, name: string): string =>
  name === "" || name.startsWith(".") || /\\|\/(?:[./]|$)|\/.*\//.test(name)
    ? paths.join(directory, name)
    : prefix + name.replace("/", paths.sep)

/** Where a name leads, once it is known that nothing on the way to it leads elsewhere. */
export class Names {
  private readonly system: System
  private readonly opened: Opened

  private readonly prefix: string
  private readonly realPrefix: string

  constructor(system: System, opened: Opened) {
    this.system = system
    this.opened = opened
    this.prefix = prefixOf(system.paths, opened.path)
    this.realPrefix = prefixOf(system.paths, opened.realPath)
  }

  pathOf(name: string): string {
    return joined(this.system.paths, this.opened.path, this.prefix, name)
  }

  real(name: string): string {
    return joined(this.system.paths, this.opened.realPath, this.realPrefix, name)
  }

  /** What is at a path, where a call that returns at once can say it. */
  private lookNow(realPath: string): Option.Option<Info> | undefined {
    const found = this.system.direct?.lstat(realPath)
    if (found === undefined) return undefined
    return found === "missing" ? Option.none() : Option.some(found)
  }

  /** What is at a path. None if there is nothing. It runs several times for each result, so it is one step. */
  private look(realPath: string, pathOf: () => string): Effect.Effect<Option.Option<Info>, StoreError> {
    return Effect.suspend(() => {
      const now = this.lookNow(realPath)
      if (now !== undefined) return Effect.succeed(now)
      return Effect.matchEffect(this.system.fs.lstat(realPath), {
        onSuccess: Effect.succeedSome,
        onFailure: (error) =>
          error.reason._tag === "NotFound" ? Effect.succeedNone : Effect.fail(fromPlatformError(pathOf())(error)),
      })
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
  private problemOfOpened(now: Option.Option<Info>): StoreError | undefined {
    const { dev, ino, path } = this.opened
    if (Option.isSome(now) && now.value.dev === dev && inodeOf(now.value) === ino) return undefined
    const detail =
      "it was removed or replaced while it was in use; run the same command again, in a directory that nobody else moves"
    return untrusted(path, detail)
  }

  get checkOpened(): Effect.Effect<void, StoreError> {
    const { path, realPath } = this.opened
    return Effect.flatMap(
      this.look(realPath, () => path),
      (now) => failIf(this.problemOfOpened(now)),
    )
  }

  /** Why there can be no file of this name. */
  private problemOf(name: string): StoreError | undefined {
    const segments = segmentsOf(name)
    return segments === undefined
      ? untrusted(this.pathOf(name), "not the name of a file in this directory")
      : problemOfName(this.system.platform, this.pathOf(name), segments.at(-1) ?? "")
  }

  /** Whether the subdirectory of a name is there, or what is wrong with it. */
  private judgeBelow(name: string, found: Option.Option<Info>): boolean | StoreError {
    if (Option.isNone(found)) return false
    const info = found.value
    const path = this.pathOf(below(name))
    const link = PathPermissions.ofLink(info)
    if (link !== undefined) return untrusted(path, link)
    if (info.type !== "Directory") return notADirectory(info, path)
    const problem = PathPermissions.ofDirectory(info, this.system.platform.user, path)
    return problem === undefined ? true : untrusted(path, problem)
  }

  /** Gives whether the subdirectory of a name is there. */
  private checkBelow(name: string): Effect.Effect<boolean, StoreError> {
    return Effect.flatMap(
      this.look(this.real(below(name)), () => this.pathOf(below(name))),
      (found) => given(this.judgeBelow(name, found)),
    )
  }

  /** What `checkAbove` gives, where calls that return at once can say it. */
  private judgeAboveNow(name: string): boolean | StoreError | undefined {
    const problem = this.problemOf(name)
    if (problem !== undefined) return problem
    const opened = this.lookNow(this.opened.realPath)
    if (opened === undefined) return undefined
    const replaced = this.problemOfOpened(opened)
    if (replaced !== undefined) return replaced
    if (!name.includes("/")) return true
    const found = this.lookNow(this.real(below(name)))
    return found === undefined ? undefined : this.judgeBelow(name, found)
  }

  /** Gives whether the directory that a name is in is there. */
  private checkAbove(name: string): Effect.Effect<boolean, StoreError> {
    return Effect.suspend(() => {
      const now = this.judgeAboveNow(name)
      if (now !== undefined) return given(now)
      return Effect.flatMap(this.checkOpened, () => (name.includes("/") ? this.checkBelow(name) : Effect.succeed(true)))
    })
  }

  private problemOfFile(info: Info): string | undefined {
    return PathPermissions.ofFile(info, this.system.platform.user, this.opened.allowsLinks)
  }

  /** The type, size, owner and mode of a file in a directory that was checked. */
  private checkFile(name: string): Effect.Effect<Option.Option<Info>, StoreError> {
    const path = this.pathOf(name)
    return Effect.flatMap(
      this.look(this.real(name), () => path),
      (found) => {
        const problem = Option.isSome(found) ? this.problemOfFile(found.value) : undefined
        return problem === undefined ? Effect.succeed(found) : Effect.fail(untrusted(path, problem))
      },
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

  /** Whether a file passes all checks, by calls that return at once. `false` says nothing: then `fileInfo` says why. */
  isTrusted(name: string): boolean {
    if (this.judgeAboveNow(name) !== true) return false
    const file = Option.getOrUndefined(this.lookNow(this.real(name)) ?? Option.none())
    return file?.type === "File" && this.problemOfFile(file) === undefined
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

  /** Checks a file in a directory that was checked. */
  private checkOneFile(name: string): Effect.Effect<void, StoreError> {
    return this.ofResult(
      name,
      Effect.flatMap(this.checkFile(name), (found) => this.checkNotDirectory(name, found)),
    )
  }

  /** Checks a file that is renamed. What has the new name already is not checked. */
  checkRenameNew(from: string, to: string): Effect.Effect<void, StoreError> {
    return this.checkDirectoryOf(from).pipe(
      Effect.andThen(below(from) === below(to) ? failIf(this.problemOf(to)) : this.checkDirectoryOf(to)),
      Effect.andThen(this.checkOneFile(from)),
    )
  }

  /** Checks a file that is renamed, and one that it replaces. */
  checkRename(from: string, to: string): Effect.Effect<void, StoreError> {
    return Effect.andThen(this.checkRenameNew(from, to), this.checkOneFile(to))
  }
}
