/**
 * The results that targets and a selection stand for.
 */
import type { ApiError } from "@live-response/core/ApiError"
import type { DefenderApi } from "@live-response/core/DefenderApi"
import type { MachineAction } from "@live-response/core/MachineAction"
import type { ResultRef } from "@live-response/core/ResultRef"
import type { StoreError } from "@live-response/core/StoreError"
import type * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Lookup from "../../api/Lookup.ts"
import * as Failure from "../../Failure.ts"
import * as Targets from "../../input/Targets.ts"

type Given = Targets.Target | Targets.BadTarget

export interface Options {
  /** Receives each machine action that is looked up. */
  readonly store: (action: MachineAction) => Effect.Effect<void, StoreError>
  readonly reportBad: (target: Targets.BadTarget) => Effect.Effect<void>
  /** Whether a broken line of a list ends the command. */
  readonly strict: boolean
}

/** The targets that are named, and then those of the lists. */
export const given = (named: ReadonlyArray<Targets.Target>, lists: ReadonlyArray<string>) =>
  Stream.fromIterable<Given>(named).pipe(Stream.concat(Stream.flatMap(Stream.fromIterable(lists), Targets.fromList)))

/** The results of targets. What names none is reported, or with `strict` a failure. */
export const ofTargets = <E, R>(
  targets: Stream.Stream<Given, E, R>,
  { reportBad, store, strict }: Options,
): Stream.Stream<ResultRef, ApiError | Failure.Failure | StoreError | E, DefenderApi | R> =>
  targets.pipe(
    Stream.flatMap((target): Stream.Stream<ResultRef | Targets.BadTarget, ApiError | StoreError, DefenderApi> =>
      Targets.isWholeAction(target) ? Lookup.resultsOf(target.id, store) : Stream.succeed(target),
    ),
    Stream.flatMap((target) => {
      if (!Targets.isBadTarget(target)) return Stream.succeed(target)
      return strict ? Stream.fail(Failure.usage(target.message)) : Stream.drain(Stream.fromEffect(reportBad(target)))
    }),
  )
