/**
 * `@effect/vitest`, as tests import it: vitest.workspace.ts puts this in its place.
 *
 * Virtual time waits for whatever it has woken, but Effect's test clock does so for a second only: on a loaded machine time
 * then passes although nobody is done, and a test sees a day where it meant a minute. Here it waits as long as a test may
 * take.
 */
import { it as original } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"

export * from "@effect/vitest"

const underPatientClock = Effect.provide(TestClock.layer({ warningDelay: "150 seconds" }))

const isFunction = (value: unknown): value is (...args: ReadonlyArray<unknown>) => unknown =>
  typeof value === "function"

/** The body of a test. Vitest reads its source for the names of fixtures. */
const patient = (body: unknown): unknown =>
  isFunction(body)
    ? new Proxy(body, {
        apply: (target, self, args) => {
          const effect: unknown = Reflect.apply(target, self, args)
          return Effect.isEffect(effect) ? underPatientClock(effect) : effect
        },
        get: (target, name) => (name === "toString" ? () => target.toString() : Reflect.get(target, name)),
      })
    : body

/** `it.effect`, and what belongs to it: `each`, `prop` and so on. */
const tester = <A>(of: A): A =>
  isFunction(of)
    ? new Proxy(of, {
        apply: (target, self, args) => tester(Reflect.apply(target, self, args.map(patient))),
        get: (target, name) => tester(Reflect.get(target, name)),
      })
    : of

export const it: typeof original = new Proxy(original, {
  get: (target, name) => (name === "effect" ? tester(target.effect) : Reflect.get(target, name)),
})
