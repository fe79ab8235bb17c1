/** The program that holds a permit, and whether it still runs: a call of a program that was killed is no longer in flight. */
import { readFileSync } from "node:fs"
import { hostname } from "node:os"
import { performance } from "node:perf_hooks"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"

/**
 * When a process started, in the kernel's ticks since it booted. Only Linux says it, in the twentieth field after the name, which may
 * have spaces and parentheses.
 *
 * @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
 */
const startOf = (pid: number): string | undefined =>
  Result.getOrUndefined(
    Result.try(() => {
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
      return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]
    }),
  )

/** In a container that starts again, the program has the same id and the same host: only its start differs. */
const ownStart = startOf(process.pid) ?? String(performance.timeOrigin)

/** This program, as the holder of its permits. Earlier releases wrote no start, and read none. */
export const self = `${process.pid}@${hostname()}@${ownStart}`

const isRunning = (pid: number): boolean => {
  const signalled = Result.try(() => process.kill(pid, 0))
  return (
    Result.isSuccess(signalled) ||
    !Predicate.hasProperty(signalled.failure, "code") ||
    signalled.failure.code !== "ESRCH"
  )
}

/** Whether the program that holds a permit is gone. That is only known of programs on this machine. */
export const isGone = (holder: string): boolean => {
  const [id, host, start] = holder.split("@")
  const pid = Number(id)
  if (host !== hostname()) return false
  if (pid !== process.pid && !isRunning(pid)) return true
  const now = pid === process.pid ? ownStart : startOf(pid)
  return start !== undefined && now !== undefined && start !== now
}
