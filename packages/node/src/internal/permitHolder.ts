/** The program that holds a permit, and whether it still runs: a call of a program that was killed is no longer in flight. */
import { hostname } from "node:os"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"

/** This program, as the holder of its permits. */
export const self = `${process.pid}@${hostname()}`

/** Whether the program that holds a permit is gone. That is only known of programs on this machine. */
export const isGone = (holder: string): boolean => {
  const [pid = "", host] = holder.split("@")
  if (host !== hostname() || Number(pid) === process.pid) return false
  const alive = Result.try(() => process.kill(Number(pid), 0))
  return Result.isFailure(alive) && Predicate.hasProperty(alive.failure, "code") && alive.failure.code === "ESRCH"
}
