/**
 * What can go wrong where results are kept: the disk is full, the directory may not be written.
 *
 * @since 0.1.0
 */
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"

/**
 * What is wrong with the place, in the order in which an operator would ask.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Problem = Schema.Literals(["DiskFull", "NotWritable", "NotADirectory", "TooManyOpenFiles", "Failed"])

/**
 * @since 0.1.0
 * @category models
 */
export type Problem = typeof Problem.Type

const advice: Record<Exclude<Problem, "Failed">, string> = {
  DiskFull: "the disk is full; free some space and run the same command again, it goes on where it stopped",
  NotWritable: "not writable; choose another directory, or one that you may write to",
  NotADirectory: "there is a file where a directory is needed; choose another directory",
  TooManyOpenFiles: "too many open files; lower the concurrency, or raise the limit (ulimit -n)",
}

/**
 * Results can't be kept at `path`. Unlike a failed download this fails every target, so it ends a batch.
 *
 * @since 0.1.0
 * @category errors
 */
export class StoreError extends Schema.TaggedError<StoreError>("@live-response/core/StoreError")("StoreError", {
  path: Schema.String,
  problem: Problem,
  detail: Schema.String,
}) {
  override get message(): string {
    return `${this.path}: ${this.problem === "Failed" ? this.detail : advice[this.problem]}`
  }
}

const codes: ReadonlyArray<readonly [codes: RegExp, problem: Problem]> = [
  [/\b(ENOSPC|EDQUOT)\b/, "DiskFull"],
  [/\b(EMFILE|ENFILE)\b/, "TooManyOpenFiles"],
  [/\b(EACCES|EPERM|EROFS|PermissionDenied)\b/, "NotWritable"],
  [/\b(ENOTDIR|EEXIST)\b/, "NotADirectory"],
]

/**
 * Says what a failed file operation at `path` means.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromPlatformError =
  (path: string) =>
  (error: PlatformError.PlatformError): StoreError => {
    const detail = error.reason.cause === undefined ? error.message : String(error.reason.cause).replace(/^Error: /, "")
    const problem = codes.find(([pattern]) => pattern.test(`${error.message} ${detail}`))?.[1] ?? "Failed"
    return new StoreError({ path, problem, detail })
  }
