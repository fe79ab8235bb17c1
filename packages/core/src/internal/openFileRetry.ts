/** Replaces or removes files that another program may have open. */
import * as Effect from "effect/Effect"
import type { PlatformError } from "effect/PlatformError"
import * as Schedule from "effect/Schedule"
import { fromPlatformError, StoreError } from "../StoreError.ts"

/** How often and how long it is tried on Windows, where a virus scanner or Excel may have the file. */
export const onWindows = Schedule.spaced("100 millis").pipe(Schedule.upTo({ duration: "5 seconds" }))

const isOpenElsewhere = ({ reason }: PlatformError): boolean =>
  reason._tag === "Busy" || reason._tag === "PermissionDenied"

/** Replaces or removes a file. Where another program has it open, it is tried again for as long as the system advises. */
export const whileOpenElsewhere = <A>(
  schedule: Schedule.Schedule<unknown> | undefined,
  path: string,
  change: Effect.Effect<A, PlatformError>,
): Effect.Effect<A, StoreError> => {
  if (schedule === undefined) return Effect.mapError(change, fromPlatformError(path))
  // Windows has the same error for a file that may not be written, which is rare in a directory of one's own.
  const detail = "another program"
  return Effect.mapError(Effect.retry(change, { schedule, while: isOpenElsewhere }), (error) =>
    isOpenElsewhere(error) ? new StoreError({ path, problem: "InUse", detail }) : fromPlatformError(path)(error),
  )
}
