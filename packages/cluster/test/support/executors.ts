/** Runners as processes, each of which executes the runs of one tenant. */
import { PostgresServer } from "@live-response/cluster/testing/PostgresServer"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import { start as startProgram } from "./programs.ts"

/** Starts a runner, and returns the lines that it prints. */
export const start = Effect.fnUntraced(function* (
  name: string,
  { endpoint, tenant }: { readonly endpoint: string; readonly tenant: string },
  hold = "",
  visibleSeconds = 1,
) {
  const server = yield* PostgresServer
  const args = [`${name}-${tenant}`, Redacted.value(server.runner), endpoint, tenant, hold, String(visibleSeconds)]
  const { child, lines } = yield* startProgram("executorProcess", ...args)
  const until = (count: number, line: string) => {
    let left = count
    return Queue.take(lines).pipe(
      Effect.map((printed) => (printed === line ? --left : left)),
      Effect.repeat({ until: (left) => left === 0 }),
    )
  }
  const signal = (name: NodeJS.Signals) => Effect.sync(() => child.kill(name))
  return { until, signal, kill: signal("SIGKILL") }
})
