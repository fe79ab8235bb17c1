/**
 * What hundreds of tenants have to say at about the same time, such as that the one secret of all of them has expired. The first line is
 * logged as it is, and one line says who the others were.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as References from "effect/References"

export interface Service {
  /**
   * Runs `one`, which logs the line of `name`, unless a line with the same key was logged a moment ago: then the name is among those that
   * `others` logs.
   */
  readonly say: (
    key: string,
    name: string,
    one: Effect.Effect<void>,
    others: (who: string) => Effect.Effect<void>,
  ) => Effect.Effect<void>
}

/** By default each line is logged as it is. */
export const Together = Context.Reference<Service>("@live-response/cluster/internal/together/Together", {
  defaultValue: () => ({ say: (_key, _name, one) => one }),
})

const moment = "5 seconds"

const namedAtMost = 3

const whoOf = (names: ReadonlySet<string>): string =>
  `${names.size} more (${[...names].slice(0, namedAtMost).join(", ")}${names.size > namedAtMost ? ", …" : ""})`

/** Collects lines until the scope closes. */
export const make = Effect.gen(function* () {
  const scope = yield* Effect.scope
  /** By key, those that came since the last line. A tenant that was lost and taken again meanwhile is one. */
  const waiting = new Map<string, Set<string>>()

  const sayOthers = Effect.fnUntraced(function* (key: string, others: (who: string) => Effect.Effect<void>) {
    for (;;) {
      yield* Effect.sleep(moment)
      const names = waiting.get(key)
      if (names === undefined || names.size === 0) return void waiting.delete(key)
      waiting.set(key, new Set())
      yield* others(whoOf(names))
    }
  })

  const service: Service = {
    say: (key, name, one, others) =>
      Effect.suspend(() => {
        const names = waiting.get(key)
        if (names !== undefined) {
          names.add(name)
          return Effect.void
        }
        waiting.set(key, new Set())
        // The line of the others is not of the tenant that was the first.
        const saying = Effect.provideService(sayOthers(key, others), References.CurrentLogAnnotations, {})
        return Effect.andThen(one, Effect.asVoid(Effect.forkIn(saying, scope)))
      }),
  }
  return service
})
