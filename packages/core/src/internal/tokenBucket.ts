/** A token bucket: bytes a second, over all that take from it. */

/**
 * What a bucket has saved up at most, in milliseconds of its rate: a timer that fires late costs nothing, and a pause brings no
 * burst.
 */
const burst = 200

/**
 * Takes bytes. `usedUpTo` is the time until which the rate is spent. Returns the new one, and how long to wait before the next
 * bytes are read. All times are in milliseconds.
 */
export const take = (
  usedUpTo: number,
  now: number,
  bytes: number,
  bytesPerSecond: number,
): { readonly usedUpTo: number; readonly wait: number } => {
  const next = Math.max(usedUpTo, now - burst) + (1000 * bytes) / bytesPerSecond
  return { usedUpTo: next, wait: Math.max(0, next - now) }
}
