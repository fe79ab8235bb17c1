/**
 * {@link Cli}, whose commands run in the test's own process, each in the directory and environment that a process would
 * have. For tests of what a command makes of its arguments, of the service and of files: a process takes longer to start
 * than most of them need. What a process is the point of (signals, pipes, terminals, crashes, locks, two at once) is for
 * {@link Cli} itself.
 */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import * as Cli from "./Cli.ts"
import * as InProcess from "./InProcess.ts"

export * from "./Cli.ts"

/** A process has one directory, one environment and one stdout. */
const oneAtATime = Semaphore.makeUnsafe(1)

/** Another program, standard input, and what Node itself reads when it starts. */
const needsProcess = ({ env = {}, ownProcess, program, stdin }: Cli.Command): boolean =>
  ownProcess === true ||
  program !== undefined ||
  stdin !== undefined ||
  Object.keys(env).some((name) => /^NODE_|_proxy$|^TZ$/i.test(name))

/** Gives this process a directory and an environment until the scope ends, and what is written to its stdout. */
const become = (cwd: string, env: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = { cwd: process.cwd(), env: process.env, write: process.stdout.write }
      let written = ""
      process.chdir(cwd)
      process.env = { ...env }
      process.stdout.write = (chunk: string | Uint8Array, ...rest: ReadonlyArray<unknown>) => {
        written += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString()
        for (const done of rest) if (typeof done === "function") process.nextTick(done)
        return true
      }
      return { before, written: () => written }
    }),
    ({ before }) =>
      Effect.sync(() => {
        process.chdir(before.cwd)
        process.env = before.env
        process.stdout.write = before.write
      }),
  )

const run = (box: Cli.Sandbox, command: Cli.Command): Effect.Effect<Cli.Ended> =>
  Effect.gen(function* () {
    const env = { ...box.environment, ...command.env }
    const { written } = yield* become(command.cwd ?? box.root, env)
    const { exitCode, stderr, stdout } = yield* InProcess.run(command.args, env)
    return { exitCode, stdout: written() + stdout, stderr: Cli.withoutProgress(stderr) }
  }).pipe(Effect.scoped, oneAtATime.withPermit)

/** A directory of one test, in which `run` starts a process only where a command needs one. */
export const sandbox = Effect.map(Cli.sandbox, (box): Cli.Sandbox => ({
  ...box,
  run: (command) => (needsProcess(command) ? box.run(command) : run(box, command)),
}))
