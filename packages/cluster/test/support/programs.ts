/** The programs that tests start as processes: bundles of scripts/testBundle.mjs, and outside of vitest the sources. */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"

const bundles = process.env.LIVE_RESPONSE_TEST_CLUSTER_PROGRAMS

/** The path of a program in this directory. */
export const pathOf = (name: string): string =>
  bundles === undefined ? fileURLToPath(new URL(`${name}.ts`, import.meta.url)) : join(bundles, `${name}.js`)

/** Starts a program, which is killed when the scope closes. Returns the lines that it prints as well. */
export const start = Effect.fnUntraced(function* (name: string, ...args: ReadonlyArray<string>) {
  const lines = yield* Queue.unbounded<string>()
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(process.execPath, [pathOf(name), ...args], { stdio: ["ignore", "pipe", "inherit"] })
      createInterface({ input: child.stdout }).on("line", (line) => Queue.offerUnsafe(lines, line))
      return child
    }),
    (child) => Effect.sync(() => child.kill("SIGKILL")),
  )
  return { child, lines }
})
