/**
 * How the process ends although a call of the operating system does not return, such as one on a FIFO or on a share that is away.
 * `process.exit` waits for such a call, for as long as that takes.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

/** What it needs of Node's process. */
export interface Process {
  readonly pid: number
  readonly getActiveResourcesInfo: () => ReadonlyArray<string>
  readonly kill: (pid: number, signal: "SIGKILL") => unknown
  readonly stderr: { readonly write: (text: string) => unknown }
}

const message =
  "live-response: a file or a directory does not answer, so this process ends itself with SIGKILL; check the files that it was given, and its network shares\n"

/** 400 milliseconds for calls that are about to return: with the time that a service takes to stop, that is within five seconds. */
const looks = { schedule: Schedule.spaced("20 millis"), times: 20 }

/** Exits when no call on a file is open any more, and kills the process where one does not return. */
export const exit = (process: Process, onFree: () => void): void => {
  const isFree = Effect.sync(() => !process.getActiveResourcesInfo().some((name) => name.startsWith("FSReq")))
  Effect.runFork(
    isFree.pipe(
      Effect.repeat({ ...looks, until: (free) => free }),
      Effect.andThen(isFree),
      Effect.map((free) => {
        if (free) return onFree()
        process.stderr.write(message)
        process.kill(process.pid, "SIGKILL")
      }),
    ),
  )
}
