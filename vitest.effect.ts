/**
 * `@effect/vitest` for the tests of this repository: `it.effect` runs under the clock of `LiveResponseTest.layerTestClock`.
 * vitest.workspace.ts resolves `@effect/vitest` to this file. It imports the clock alone, because a test that needs no more
 * should not load the whole of core.
 */
import { it as original } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { layerPatientClock } from "./packages/core/src/internal/patientClock.ts"

export * from "@effect/vitest"

const underPatientClock = Effect.provide(layerPatientClock)

const isFunction = (value: unknown): value is (...args: ReadonlyArray<unknown>) => unknown =>
  typeof value === "function"

/** Wraps the body of a test. Vitest reads the source of a body for the names of its fixtures, so it stays readable. */
const withPatientClock = (body: unknown): unknown =>
  isFunction(body)
    ? new Proxy(body, {
        apply: (target, self, args) => {
          const effect: unknown = Reflect.apply(target, self, args)
          return Effect.isEffect(effect) ? underPatientClock(effect) : effect
        },
        get: (target, name) => (name === "toString" ? () => target.toString() : Reflect.get(target, name)),
      })
    : body

/** Wraps `it.effect` and its members, such as `each` and `prop`. */
const wrapTester = <A>(tester: A): A =>
  isFunction(tester)
    ? new Proxy(tester, {
        apply: (target, self, args) => wrapTester(Reflect.apply(target, self, args.map(withPatientClock))),
        get: (target, name) => wrapTester(Reflect.get(target, name)),
      })
    : tester

export const it: typeof original = new Proxy(original, {
  get: (target, name) => (name === "effect" ? wrapTester(target.effect) : Reflect.get(target, name)),
})
