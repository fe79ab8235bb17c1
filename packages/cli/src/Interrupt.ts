/**
 * Ctrl-C: the first one stops the work in order, and prints what is done; the second one exits at once.
 */
import type { Service as Platform } from "@live-response/core/Platform"
import { exitCode } from "./ExitCode.ts"

type Signal = Platform["interrupts"][number] | "SIGINT"

/** What it needs of Node's process. */
interface Process {
  readonly on: (signal: Signal, listener: () => void) => unknown
  readonly once: (signal: Signal, listener: () => void) => unknown
  readonly emit: (signal: "SIGINT") => unknown
  readonly exit: (code: number) => unknown
}

/**
 * Lets a second Ctrl-C exit at once, and other signals that mean the same do the same. The first one is handled by
 * `NodeRuntime.runMain`, which interrupts the command: its finalizers flush files and print the summary
 * (`output/EventOutput.ts`), and `Main.teardown` exits with the code of the command.
 */
export const listen = ({ interrupts }: Pick<Platform, "interrupts">, process: Process): void => {
  process.once("SIGINT", () => process.on("SIGINT", () => process.exit(exitCode.interrupted)))
  for (const signal of interrupts) process.on(signal, () => process.emit("SIGINT"))
}
