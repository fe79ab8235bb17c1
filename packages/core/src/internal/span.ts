/** Spans of what runs many times. */
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import type { SpanOptionsNoTrace } from "effect/Tracer"

/** As `Effect.withSpan`, which creates a span and services with it also where nobody traces. */
export const inSpan =
  (name: string, options?: SpanOptionsNoTrace) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(References.TracerEnabled, (isTraced) =>
      isTraced ? Effect.withSpan(effect, name, { ...options, captureStackTrace: false }) : effect,
    )
