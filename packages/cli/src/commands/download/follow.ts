/**
 * `live-response download --follow`: downloads every result of the selected actions until it is interrupted. The next run
 * resumes.
 */
import * as Follow from "@live-response/core/Follow"
import * as FollowPosition from "@live-response/core/FollowPosition"
import type { MachineAction } from "@live-response/core/MachineAction"
import type { Window } from "@live-response/core/QuotaRule"
import { keyOf } from "@live-response/core/ResultRef"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as IgnoredFilter from "../../api/IgnoredFilter.ts"
import * as Failure from "../../Failure.ts"
import * as BatchOptions from "../../flags/BatchOptions.ts"
import * as Selection from "../../flags/Selection.ts"
import * as TimeArgument from "../../input/TimeArgument.ts"
import * as OrderlyStop from "../../OrderlyStop.ts"
import * as EventOutput from "../../output/EventOutput.ts"
import * as Format from "../../output/Format.ts"
import * as StandardError from "../../output/StandardError.ts"
import * as Notification from "../../output/WebhookNotification.ts"
import type { Listen } from "../../flags/Listen.ts"
import * as LiveEvents from "../report/liveEvents.ts"
import * as ActionsFile from "./actionsFileWriter.ts"
import * as Environment from "./services.ts"

export interface Options extends EventOutput.Options, BatchOptions.Options {
  readonly directory: string
  readonly selection: Selection.Selection
  readonly windows: ReadonlyArray<Window>
  readonly listen: Option.Option<Listen>
}

/** How far back to start where `--since` is not given. */
const defaultSince = Duration.hours(24)

const startOf = ({ since }: Selection.Selection) =>
  Effect.map(DateTime.now, (now) =>
    TimeArgument.instantOf(
      Option.getOrElse(since, () => defaultSince),
      now,
    ),
  )

/** Runs until it is interrupted or an error ends it. */
export const run = (options: Options) =>
  follow(options).pipe(Effect.scoped, Effect.provide(Environment.layer(options)), Effect.mapError(Failure.fromError))

const follow = Effect.fnUntraced(function* (options: Options) {
  const observe = yield* LiveEvents.observer(options.listen, options.directory)
  const output = yield* EventOutput.make({
    ...options,
    isFollowing: true,
    observe,
    onOutcome: yield* Notification.notifier(options.notify, {
      command: "download --follow",
      directory: options.directory,
    }),
  })
  const actionsFile = yield* ActionsFile.make(options)
  const selection = Selection.ofSessions(options.selection)
  const { filter, isSelected, passes } = Selection.toFollow(selection)
  const select = (action: MachineAction): boolean => {
    if (!passes(action)) others.left++
    return isSelected(action)
  }
  const others = { left: 0, isReported: false }

  /** The list has them again and again. */
  const warnOnce = Effect.suspend(() => {
    if (others.isReported || others.left === 0) return Effect.void
    others.isReported = true
    return IgnoredFilter.warn("actions", others.left)
  })

  const show = (event: Follow.Event) => {
    switch (event.event) {
      case "resumed":
        return options.quiet
          ? Effect.void
          : StandardError.write(`resumes with actions created since ${Format.dateAndTime(event.since)}`)
      case "searched":
        return Effect.andThen(
          warnOnce,
          Effect.andThen(output.reportSearch(DateTime.distance(event.at, event.next)), output.reportReady),
        )
      case "gaveUp":
        return StandardError.write(`gave up ${keyOf(event)} after a day; run the same command again to download it`)
      case "unavailable":
        // It works without the network too: it waits.
        return Effect.andThen(output.reportUnavailable(event), output.reportReady)
      default:
        return output.reportEvent(event)
    }
  }

  const since = yield* startOf(selection)
  const events = (stop: Effect.Effect<void>) =>
    Follow.run({
      ...BatchOptions.batchOptions(options),
      selection: { key: FollowPosition.makeKey(Selection.valuesOf(selection)), filter, isSelected: select },
      since,
      onAction: actionsFile.store,
      stop,
    })
  yield* OrderlyStop.runForEach(events, show).pipe(output.during)
})
