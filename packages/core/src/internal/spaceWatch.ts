/** Keeps disk space free: for this program's downloads together, and for everything else on the machine. */
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Service, Space } from "../DiskSpace.ts"
import { defaultMinFree, DownloadLimits } from "../DownloadLimits.ts"
import { StoreError } from "../StoreError.ts"

/** So many bytes are written before the system is asked again. */
const checkLength = 1024 * 1024

/** A file that is being written. */
export interface Writing {
  /** How many more bytes were announced for it. */
  expected: number
  /** How many bytes were written since the system was asked. */
  unchecked: number
}

/** Whether enough stays free where as many bytes as are `expected` are still to be written. */
export const fits = ({ free, total }: Space, minFree: number | undefined, expected: number): boolean =>
  free - expected >= (minFree ?? defaultMinFree(total))

const size = (bytes: number) => ByteSize.format(ByteSize.bytes(Math.round(bytes)), { system: "decimal" })

const tooLittle = (path: string, { free, total }: Space, minFree: number | undefined, expected: number) => {
  const floor = `${size(minFree ?? defaultMinFree(total))} are to stay free`
  const more = expected === 0 ? "" : ` and ${size(expected)} are still to come`
  return new StoreError({ path, problem: "LowDiskSpace", detail: `${size(free)} are free, ${floor}${more}` })
}

/** Watches over all that is written to a directory. */
export class SpaceWatch {
  private readonly writing = new Set<Writing>()
  private readonly space: Effect.Effect<Option.Option<Space>>
  private readonly directory: string

  constructor(disk: Service, directory: string) {
    this.space = disk.of(directory)
    this.directory = directory
  }

  /** What is written until the scope ends. */
  start() {
    return Effect.acquireRelease(
      Effect.sync(() => {
        const file: Writing = { expected: 0, unchecked: Infinity }
        this.writing.add(file)
        return file
      }),
      (file) => Effect.sync(() => this.writing.delete(file)),
    )
  }

  /**
   * So many bytes are about to be written to `file`, of which `left` are announced with all that follow. It fails where
   * they, and what is announced of the other files, do not fit. The system is asked before the first bytes, and then after
   * each MiB.
   */
  take(file: Writing, bytes: number, left = bytes): Effect.Effect<void, StoreError> {
    return Effect.suspend(() => {
      file.expected = left
      file.unchecked += bytes
      if (file.unchecked < checkLength) return Effect.void
      file.unchecked = 0
      return this.check
    })
  }

  private get check(): Effect.Effect<void, StoreError> {
    const expected = Array.from(this.writing).reduce((sum, file) => sum + file.expected, 0)
    return Effect.flatMap(Effect.zip(DownloadLimits, this.space), ([{ minFree }, space]) =>
      Option.isNone(space) || fits(space.value, minFree, expected)
        ? Effect.void
        : Effect.fail(tooLittle(this.directory, space.value, minFree, expected)),
    )
  }
}
