/**
 * What hundreds of tenants have to say at about the same time, such as that the one secret of all of them has expired. The first line is
 * logged as it is, and one line says who the others were.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { ofProgram } from "./ofProgram.ts"

export interface Service {
  /**
   * Runs `one`, which logs the line of `name`, unless a line with the same key of another name was logged a moment ago: then the name is
   * among those that `others` logs.
   */
  readonly say: (
    key: string,
    name: string,
    one: Effect.Effect<void>,
    others: (who: string) => Effect.Effect<void>,
  ) => Effect.Effect<void>

  /** Says now who the others with a key are: what happens to one of them next has a line of its own. */
  readonly sayOthersNow: (key: string) => Effect.Effect<void>
}

/** The key of the tenants that a runner has started to collect. */
export const collected = "collects"

/** By default each line is logged as it is. */
export const Together = Context.Reference<Service>("@live-response/cluster/internal/together/Together", {
  defaultValue: () => ({ say: (_key, _name, one) => one, sayOthersNow: () => Effect.void }),
})

const moment = "5 seconds"

const namedAtMost = 3

const whoOf = (names: ReadonlyArray<string>): string =>
  `${names.length} more (${names.slice(0, namedAtMost).join(", ")}${names.length > namedAtMost ? ", …" : ""})`

/** What was said with one key since the last line. */
interface Burst {
  /** Whose line was logged, if it was the first one. */
  readonly logged?: string
  readonly others: Set<string>
  readonly sayOthers: (who: string) => Effect.Effect<void>
}

/** Collects lines until the scope closes. */
export const make = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const bursts = new Map<string, Burst>()

  const sayOthersNow = (key: string) =>
    Effect.suspend(() => {
      const burst = bursts.get(key)
      if (burst === undefined || burst.others.size === 0) return Effect.void
      const { others, sayOthers } = burst
      bursts.set(key, { others: new Set(), sayOthers })
      return ofProgram(sayOthers(whoOf(Array.from(others))))
    }).pipe(Effect.uninterruptible)

  /** Ends where there were none for a moment. */
  const sayWhileTheyCome = Effect.fnUntraced(function* (key: string) {
    for (;;) {
      yield* Effect.sleep(moment)
      if (bursts.get(key)?.others.size === 0) return void bursts.delete(key)
      yield* sayOthersNow(key)
    }
  })

  const service: Service = {
    say: (key, name, one, others) =>
      // In one step: a key whose fiber was not started would be silent for ever.
      Effect.suspend(() => {
        const burst = bursts.get(key)
        // It says it again, and is not one more.
        if (burst?.logged === name) return one
        if (burst !== undefined) {
          burst.others.add(name)
          return Effect.void
        }
        bursts.set(key, { logged: name, others: new Set(), sayOthers: others })
        return Effect.andThen(one, Effect.asVoid(Effect.forkIn(sayWhileTheyCome(key), scope)))
      }).pipe(Effect.uninterruptible),
    sayOthersNow,
  }
  return service
})
