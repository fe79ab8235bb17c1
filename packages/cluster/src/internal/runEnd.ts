/** How a run ends that is not executed to its end. */
import type { StoreError } from "@live-response/core/StoreError"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { Failure, RunId } from "../ClusterRun.ts"
import * as RunEvents from "./runEvents.ts"
import type * as RunLog from "./runLog.ts"

const isSuperseded = ({ problem }: StoreError): boolean => problem === "Superseded"

/** Ends a run whose execution was stopped. It ends also where its last events can't be read: each owner would take it up again. */
export const endEarly = Effect.fnUntraced(function* (
  log: RunLog.RunLog,
  run: RunId,
  state: "failed" | "cancelled",
  error?: Failure,
) {
  yield* RunEvents.open(log, run).pipe(
    Effect.flatMap(({ settle }) => settle),
    Effect.catch((error) => (isSuperseded(error) ? Effect.fail(error) : Effect.logWarning(error.message))),
    Effect.catchDefect((defect) => Effect.logError(`the last events of run ${run} are not known`, Cause.die(defect))),
  )
  yield* log.end(run, state, error)
})
