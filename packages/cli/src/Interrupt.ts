/**
 * Ctrl-C: the first one stops the work in order, and prints what is done; the second one exits at once.
 */
import { exitCode } from "./ExitCode.ts"

/**
 * Lets a second Ctrl-C exit at once. The first one is handled by `NodeRuntime.runMain`, which interrupts the command: its
 * finalizers flush files and print the summary (`output/EventOutput.ts`), and `Main.teardown` exits with 130.
 */
export const exitOnSecond = (): void => {
  process.once("SIGINT", () => process.on("SIGINT", () => process.exit(exitCode.interrupted)))
}
