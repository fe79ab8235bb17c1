/**
 * What the engine logs is there for debugging. It speaks of shards, warns that nobody is healthy when the last runner leaves, and
 * repeats every few seconds that PostgreSQL is away, which `Database` reports once.
 */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"

type Loggers = ReadonlySet<Logger.Logger<unknown, unknown>>

const atDebug = (loggers: Loggers): Loggers =>
  new Set([
    Logger.make<unknown, void>((options) => {
      if (LogLevel.isGreaterThan(options.fiber.getRef(References.MinimumLogLevel), "Debug")) return
      for (const logger of loggers) logger.log({ ...options, logLevel: "Debug" })
    }),
  ])

/** Runs what starts the engine, with loggers that print its entries at the level of debugging. */
export const demote = <A, E, R>(engine: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.updateService(engine, Logger.CurrentLoggers, atDebug)

/** Gives an effect that the engine runs the loggers of the program. */
export const asProgram = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Effect.Effect<A, E, R>> =>
  Effect.map(Logger.CurrentLoggers, (loggers) => Effect.provideService(effect, Logger.CurrentLoggers, loggers))
