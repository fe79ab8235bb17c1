/**
 * Gives each target inputs that are almost valid. They are the same for the same seed.
 *
 *     npm run fuzz -- [--seconds 60] [--seed 1] [target...]
 *
 * A failure prints its target, seed, iteration and input. `--iteration N` runs that iteration alone.
 */
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import { answers } from "./answers.ts"
import { files } from "./files.ts"
import * as Mutator from "./Mutator.ts"
import type { Target } from "./Target.ts"
import { texts } from "./texts.ts"

class BrokenPromise extends Schema.TaggedError<BrokenPromise>()("BrokenPromise", { message: Schema.String }) {}

/** An input of 64 KiB takes milliseconds. Seconds mean that the time grows faster than the length. */
const longestTime = Duration.seconds(5)

const describe = (target: Target, seed: number, iteration: number, input: Uint8Array, problem: string) =>
  new BrokenPromise({
    message: `${target.name}: ${problem}\n  --seed ${seed} --iteration ${iteration} ${target.name}\n  input (latin1): ${JSON.stringify(Buffer.from(input).toString("latin1"))}`,
  })

const runOne = Effect.fnUntraced(function* (target: Target, seed: number, iteration: number) {
  const corpus = target.corpus.map((input) => (typeof input === "string" ? Buffer.from(input) : input))
  const input = Mutator.inputAt(corpus, seed, iteration)
  const [took, exit] = yield* Effect.suspend(() => target.run(input)).pipe(
    Effect.timeoutOrElse({ duration: longestTime, orElse: () => Effect.fail("it did not finish in time") }),
    Effect.exit,
    Effect.timed,
  )
  if (Exit.isFailure(exit)) return yield* describe(target, seed, iteration, input, Cause.pretty(exit.cause))
  if (Duration.isGreaterThan(took, longestTime)) {
    return yield* describe(target, seed, iteration, input, `it took ${Duration.format(took)}`)
  }
})

const runFor = Effect.fnUntraced(function* (target: Target, seed: number, duration: Duration.Duration) {
  const end = (yield* Clock.currentTimeMillis) + Duration.toMillis(duration)
  let iteration = 0
  for (; (yield* Clock.currentTimeMillis) < end; iteration++) {
    yield* runOne(target, seed, iteration)
    yield* Effect.yieldNow
  }
  yield* Console.log(`${target.name}: ${iteration} inputs`)
})

const main = Effect.gen(function* () {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { seconds: { type: "string" }, seed: { type: "string" }, iteration: { type: "string" } },
  })
  const all = [...answers, ...files, ...texts]
  const unknown = positionals.filter((name) => !all.some((target) => target.name === name))
  if (unknown.length > 0) {
    return yield* new BrokenPromise({
      message: `unknown target: ${unknown.join(", ")}. The targets are ${all.map(({ name }) => name).join(", ")}.`,
    })
  }
  const targets = positionals.length === 0 ? all : all.filter(({ name }) => positionals.includes(name))
  const seed = Number(values.seed ?? 1)
  const each = Duration.seconds(Number(values.seconds ?? 60) / targets.length)
  yield* Effect.forEach(
    targets,
    (target) =>
      values.iteration === undefined ? runFor(target, seed, each) : runOne(target, seed, Number(values.iteration)),
    { discard: true },
  )
})

NodeRuntime.runMain(
  main.pipe(
    Effect.tapError(({ message }) => Console.error(message)),
    Effect.provide(Logger.layer([])),
  ),
  { disableErrorReporting: true },
)
