/** The plans by which PostgreSQL executes statements, those inside functions included: what its module auto_explain logs. */
import * as Database from "@live-response/cluster/Database"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

/** Settings of a server whose plans are read. */
export const settings = {
  shared_preload_libraries: "auto_explain",
  "auto_explain.log_min_duration": "0",
  "auto_explain.log_nested_statements": "on",
  "auto_explain.log_level": "log",
}

export interface Plan {
  readonly query: string
  /** The lines of the plan, as EXPLAIN prints them. */
  readonly plan: string
}

const planPattern = /duration: [\d.]+ ms {2}plan:\n\tQuery Text: ([\s\S]*?)\n\t(\S[^\n]*\(cost=[\s\S]*?)(?=\n[^\t]|$)/g

export const make = () => {
  let log = ""
  let marks = 0
  const waiting = new Map<string, Deferred.Deferred<void>>()
  const onLog = (text: string) => {
    log += text
    for (const [mark, deferred] of waiting) {
      if (log.includes(mark) && Deferred.doneUnsafe(deferred, Effect.void)) waiting.delete(mark)
    }
  }
  /** Everything that was logged before this. */
  const drain = Effect.gen(function* () {
    const { query } = yield* Database.Database
    const mark = `mark ${marks++};`
    const deferred = yield* Deferred.make<void>()
    waiting.set(mark, deferred)
    yield* query((sql) => sql.unsafe(`select '${mark}'`))
    yield* Deferred.await(deferred)
    const drained = log
    log = ""
    return drained
  })
  /** The plans of the statements that the effect runs. No other program may run any meanwhile. */
  const plansOf = <E, R>(effect: Effect.Effect<unknown, E, R>) =>
    drain.pipe(
      Effect.andThen(effect),
      Effect.andThen(drain),
      Effect.map((text) =>
        Array.from(text.matchAll(planPattern), ([, query = "", plan = ""]): Plan => ({
          query,
          plan: plan.replaceAll("\n\t", "\n"),
        })).filter(({ query }) => !query.startsWith("select 'mark ")),
      ),
    )
  return { onLog, plansOf }
}
