/**
 * What hundreds of tenants have to say at about the same time, such as that the one secret of all of them has expired. The first line is
 * logged as it is, and one line says who the others were.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as References from "effect/References"

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
}

/** By default each line is logged as it is. */
export const Together = Context.Reference<Service>("@live-response/cluster/internal/together/Together", {
  defaultValue: () => ({ say: (_key, _name, one) => one }),
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
}

/** Collects lines until the scope closes. */
export const make = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const bursts = new Map<string, Burst>()

  const sayOthers = Effect.fnUntraced(function* (key: string, say: (who: string) => Effect.Effect<void>) {
    for (;;) {
      yield* Effect.sleep(moment)
      const others = Array.from(bursts.get(key)?.others ?? [])
      if (others.length === 0) return void bursts.delete(key)
      bursts.set(key, { others: new Set() })
      yield* say(whoOf(others))
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
        bursts.set(key, { logged: name, others: new Set() })
        // The line of the others is not of the tenant that was the first.
        const saying = Effect.provideService(sayOthers(key, others), References.CurrentLogAnnotations, {})
        return Effect.andThen(one, Effect.asVoid(Effect.forkIn(saying, scope)))
      }).pipe(Effect.uninterruptible),
  }
  return service
})
