/**
 * The errors of files and directories: a full disk, a directory that is not writable.
 *
 * @since 0.1.0
 */
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import { oneLine } from "./internal/text.ts"

/**
 * The problem with a file or directory.
 *
 * **Details**
 *
 * `Superseded` is a store that another program has taken over: nothing that this program writes to it counts any more.
 * `Untrusted` is a file or directory that another user may have prepared, or that leads elsewhere, such as a symbolic link.
 * `detail` says what is wrong with it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Problem = Schema.Literals([
  "DiskFull",
  "LowDiskSpace",
  "TotalReached",
  "NotWritable",
  "NotADirectory",
  "TooManyOpenFiles",
  "FileTooLarge",
  "InUse",
  "Superseded",
  "Untrusted",
  "Failed",
])

/**
 * @since 0.1.0
 * @category models
 */
export type Problem = typeof Problem.Type

const advice: Record<
  Exclude<Problem, "DiskFull" | "LowDiskSpace" | "TotalReached" | "InUse" | "Superseded" | "Untrusted" | "Failed">,
  string
> = {
  NotWritable: "not writable; choose another directory, or one that you may write to",
  NotADirectory: "there is a file where a directory is needed; choose another directory",
  FileTooLarge:
    "the file would exceed the size limit; raise the limit of this shell (ulimit -f), or choose a directory on another file system",
  TooManyOpenFiles: "too many open files; lower the concurrency, or raise the limit (ulimit -n)",
}

/**
 * A file or directory at `path` can't be used. It concerns every result, so it ends a batch, unless it is `ofResult`: then
 * something that is not a file of ours is in the place of the files of one result. A service tries again by itself
 * (`isRetried`), where a command is run again.
 *
 * @since 0.1.0
 * @category errors
 */
export class StoreError extends Schema.TaggedError<StoreError>("@live-response/core/StoreError")("StoreError", {
  path: Schema.String,
  problem: Problem,
  detail: Schema.String,
  ofResult: Schema.optionalKey(Schema.Boolean),
  isRetried: Schema.optionalKey(Schema.Boolean),
}) {
  override get message(): string {
    return oneLine(`${this.path}: ${this.description}`)
  }

  /** The problem and the next step, without the path. */
  get description(): string {
    switch (this.problem) {
      case "Untrusted":
      case "Failed":
        return this.detail
      case "DiskFull":
        return this.isRetried
          ? "the disk is full; free some space: this program tries again by itself"
          : "the disk is full; free some space and run the same command again: it resumes"
      case "LowDiskSpace":
        return this.isRetried
          ? `the disk is nearly full: ${this.detail}; free some space: this program tries again by itself`
          : `the disk is nearly full: ${this.detail}; free some space, or lower that limit (--min-free), and run the same command again: it resumes`
      case "TotalReached":
        return `${this.detail}, the limit of one run (--max-total); run the same command again: it resumes`
      case "InUse":
        return `in use by ${this.detail}; wait until it has finished, or choose another directory`
      case "Superseded":
        return `${this.detail} has taken over; this program stops, and that one continues`
      default:
        return advice[this.problem]
    }
  }
}

/**
 * The error as a service reports it, which tries again by itself.
 *
 * @since 0.1.0
 * @category conversions
 */
export const ofService = (error: StoreError): StoreError => {
  const { detail, ofResult, path, problem } = error
  return new StoreError({ path, problem, detail, ...(ofResult === undefined ? {} : { ofResult }), isRetried: true })
}

/**
 * Whether an error may concern one file only: something else has its name, or it can't be read. A full disk or too many
 * open files concern every file.
 *
 * @since 0.1.0
 * @category checking
 */
export const isOfOneFile = ({ problem }: StoreError): boolean =>
  problem === "Untrusted" || problem === "NotADirectory" || problem === "NotWritable" || problem === "Failed"

const problems: Readonly<Record<string, Problem>> = {
  ENOSPC: "DiskFull",
  EDQUOT: "DiskFull",
  EFBIG: "FileTooLarge",
  EMFILE: "TooManyOpenFiles",
  ENFILE: "TooManyOpenFiles",
  EACCES: "NotWritable",
  EPERM: "NotWritable",
  EROFS: "NotWritable",
  PermissionDenied: "NotWritable",
  ENOTDIR: "NotADirectory",
  EEXIST: "NotADirectory",
  AlreadyExists: "NotADirectory",
}

/**
 * The error of a failed file operation at `path`, by the error code of the system or else by the tag of the platform.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromPlatformError =
  (path: string) =>
  ({ message, reason }: PlatformError.PlatformError): StoreError => {
    const detail = reason.cause instanceof Error ? reason.cause.message : message
    const code = /^E[A-Z]+(?=:)/.exec(detail)?.[0] ?? ""
    const problem = problems[code] ?? problems[reason._tag]
    if (problem !== undefined) return new StoreError({ path, problem, detail })
    return new StoreError({ path, problem: "Failed", detail: `${detail}; check the disk, or choose another directory` })
  }

const descriptions: Readonly<Record<string, string>> = {
  BadResource: "a part of its path is not a directory",
  InvalidData: "it is not a regular file",
  NotFound: "there is no such file",
  PermissionDenied: "permission denied",
}

/**
 * Why a file operation failed, for a message that has its own next step: in words for what happens often, or else the error of the
 * system. It does not name the path.
 *
 * @since 0.1.0
 * @category formatting
 */
export const describe = ({ reason }: PlatformError.PlatformError): string =>
  // What the system says ends with the path.
  descriptions[reason._tag] ??
  (reason.cause instanceof Error ? reason.cause.message.replace(/, \w+ '.*/s, "") : reason._tag)
