/**
 * What differs between operating systems: users, modes, names, paths, directories and signals. No other module asks which
 * system it runs on.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Schedule from "effect/Schedule"
import * as OpenFileRetry from "./internal/openFileRetry.ts"

/**
 * The rules of an operating system.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** The effective user id. With it, files and directories of other users are refused. Unknown where there are none. */
  readonly user: number | undefined

  /** Whether files have modes: who may read and write them. */
  readonly hasModes: boolean

  /** Whether a file can be opened so that a symbolic link of its name is an error. */
  readonly hasNoFollow: boolean

  /** Whether a new name is durable only after its directory was flushed. */
  readonly flushesDirectories: boolean

  /** How many UTF-16 units the path of a file may have, where a longer one is of no use to most programs. */
  readonly longestPath: number | undefined

  /** Two names with the same canonical name may be the same file. */
  readonly canonicalName: (name: string) => string

  /** Why a file or directory can't have a name, as a part of a sentence; `undefined` if it can. */
  readonly problemOfName: (name: string) => string | undefined

  /**
   * How often and how long to try again to replace or remove a file that another program has open. `undefined` where an open
   * file can be replaced.
   */
  readonly whileOpenElsewhere: Schedule.Schedule<unknown> | undefined

  /** The signals that mean the same as Ctrl-C, and that the program must listen for. */
  readonly interrupts: ReadonlyArray<"SIGBREAK" | "SIGHUP">

  /** The program that opens a file as a click on it would. */
  readonly opener: string
}

/**
 * Linux and the other systems of the POSIX family.
 *
 * **Details**
 *
 * SIGHUP is not among `interrupts`: a listener would undo `nohup`. The end of the terminal ends the program at once, and the
 * same command resumes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const posix = (user?: number): Service => ({
  user,
  hasModes: true,
  hasNoFollow: user !== undefined,
  flushesDirectories: true,
  longestPath: undefined,
  canonicalName: (name) => name,
  problemOfName: () => undefined,
  whileOpenElsewhere: undefined,
  interrupts: [],
  opener: "xdg-open",
})

/** Upper and lower case, and the forms of Unicode, are the same name. */
const withoutCase = (name: string): string => name.normalize("NFC").toLowerCase()

/**
 * macOS, whose file systems usually do not distinguish case in names.
 *
 * @since 0.1.0
 * @category constructors
 */
export const macos = (user?: number): Service => ({
  ...posix(user),
  canonicalName: withoutCase,
  opener: "open",
})

/** Names of devices, whatever their extension is. */
const devices = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|$)/i

/** @see https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file */
const problemOnWindows = (name: string): string | undefined => {
  if (devices.test(name)) return "Windows reserves that name for a device"
  if (/[. ]$/.test(name)) return "on Windows, no name ends with a dot or a space"
  return /[<>:"|?*\p{Cc}]/u.test(name)
    ? 'on Windows, no name has one of < > : " | ? * or a control character'
    : undefined
}

/**
 * Windows.
 *
 * **Details**
 *
 * - There are no user ids and no modes: a file has the access rights of the directory it is created in.
 * - A directory can't be flushed; NTFS records names in its own journal.
 * - A file that another program has open without sharing it, such as a virus scanner or Excel, can be neither replaced nor
 *   removed. It is tried again for five seconds.
 * - SIGTERM never arrives. Ctrl-Break (SIGBREAK) and the end of the console (SIGHUP) mean the same as Ctrl-C.
 *
 * @see https://learn.microsoft.com/en-us/windows/win32/fileio/maximum-file-path-limitation for the longest path
 * @since 0.1.0
 * @category constructors
 */
export const windows: Service = {
  user: undefined,
  hasModes: false,
  hasNoFollow: false,
  flushesDirectories: false,
  longestPath: 259,
  canonicalName: withoutCase,
  problemOfName: problemOnWindows,
  whileOpenElsewhere: OpenFileRetry.onWindows,
  interrupts: ["SIGBREAK", "SIGHUP"],
  opener: "explorer.exe",
}

/**
 * The operating system of this program.
 *
 * **Gotchas**
 *
 * By default it is a POSIX system whose user is unknown: owners and modes of files are not checked then, and only links are
 * refused. Provide it with `NodePlatform.layer` of `@live-response/node`.
 *
 * @example
 * ```ts
 * import * as Platform from "@live-response/core/Platform"
 * import * as Effect from "effect/Effect"
 *
 * export const isReserved = Effect.map(Platform.Platform, ({ problemOfName }) => problemOfName("nul.json") !== undefined)
 *
 * // In a test: whatever the machine is, the program sees the rules of Windows.
 * export const onWindows = Effect.provideService(isReserved, Platform.Platform, Platform.windows)
 * ```
 *
 * @since 0.1.0
 * @category references
 */
export const Platform = Context.Reference<Service>("@live-response/core/Platform", { defaultValue: () => posix() })
