/** Keeps disk space free, counting all downloads of this program together. */
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Service, Space } from "../DiskSpace.ts"
import { defaultMinFree, DownloadLimits } from "../DownloadLimits.ts"
import { StoreError } from "../StoreError.ts"
import { acquire } from "./acquire.ts"

/** The system is asked again after this many written bytes. */
const checkLength = 1024 * 1024

/** The space that a file in progress needs. */
export interface Reservation {
  /** How many more bytes were announced for it. */
  expected: number
  /** How many bytes were written since the system was asked. */
  unchecked: number
}

/** Whether enough space stays free if `expected` more bytes are written. */
export const fits = ({ free, total }: Space, minFree: number | undefined, expected: number): boolean =>
  free - expected >= (minFree ?? defaultMinFree(total))

const size = (bytes: number) => ByteSize.format(ByteSize.bytes(Math.round(bytes)), { system: "decimal" })

const tooLittle = (path: string, { free, total }: Space, minFree: number | undefined, expected: number) => {
  const floor = `${size(minFree ?? defaultMinFree(total))} are to stay free`
  const more = expected === 0 ? "" : ` and ${size(expected)} are still to come`
  return new StoreError({ path, problem: "LowDiskSpace", detail: `${size(free)} are free, ${floor}${more}` })
}

/** Why nothing more may be written to a directory at all, if that is so. */
export const fullOf = (disk: Service, directory: string): Effect.Effect<StoreError | undefined> =>
  Effect.map(Effect.zip(DownloadLimits, disk.of(directory)), ([{ minFree }, space]) =>
    Option.isNone(space) || fits(space.value, minFree, 0) ? undefined : tooLittle(directory, space.value, minFree, 0),
  )

/** Watches all that is written to a directory. */
export class SpaceWatch {
  private readonly reservations = new Set<Reservation>()
  private readonly space: Effect.Effect<Option.Option<Space>>
  private readonly directory: string

  constructor(disk: Service, directory: string) {
    this.space = disk.of(directory)
    this.directory = directory
  }

  /** Reserves space for one file until the scope closes. It starts with nothing. */
  reserve() {
    return acquire(
      Effect.sync(() => {
        const reservation: Reservation = { expected: 0, unchecked: Infinity }
        this.reservations.add(reservation)
        return reservation
      }),
      (reservation) => Effect.sync(() => this.reservations.delete(reservation)),
    )
  }

  /**
   * Call it before `bytes` bytes are written to a file of which `left` bytes are still to come, these included. It fails if
   * they do not fit together with what is still to come of all other files. The system is asked before the first bytes and
   * then after each MiB.
   */
  take(reservation: Reservation, bytes: number, left = bytes): Effect.Effect<void, StoreError> {
    return Effect.suspend(() => {
      reservation.expected = left
      reservation.unchecked += bytes
      if (reservation.unchecked < checkLength) return Effect.void
      reservation.unchecked = 0
      return this.check
    })
  }

  private get check(): Effect.Effect<void, StoreError> {
    const expected = Array.from(this.reservations).reduce((sum, reservation) => sum + reservation.expected, 0)
    return Effect.flatMap(Effect.zip(DownloadLimits, this.space), ([{ minFree }, space]) =>
      Option.isNone(space) || fits(space.value, minFree, expected)
        ? Effect.void
        : Effect.fail(tooLittle(this.directory, space.value, minFree, expected)),
    )
  }
}
