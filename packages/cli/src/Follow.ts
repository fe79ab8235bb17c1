/**
 * `live-response download --follow`: downloads every result of the selected actions until it is interrupted. The next run
 * resumes.
 */
import * as Follow from "@live-response/core/Follow"
import * as FollowPosition from "@live-response/core/FollowPosition"
import type { Window } from "@live-response/core/QuotaRule"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as ActionsFile from "./ActionsFile.ts"
import * as Discovery from "./Discovery.ts"
import * as Download from "./Download.ts"
import * as Failure from "./Failure.ts"
import type { Selection } from "./Flags.ts"
import * as Format from "./output/Format.ts"
import * as Messages from "./output/Messages.ts"
import * as Output from "./output/Output.ts"
import { printable } from "./Printable.ts"
import * as TimeArgument from "./TimeArgument.ts"

export interface Options extends Output.Options, Download.Saving {
  readonly directory: string
  readonly selection: Selection
  readonly windows: ReadonlyArray<Window>
}

/** How far back to start where `--since` is not given. */
const defaultSince = Duration.hours(24)

/** The time to start from is not part of a selection: it only counts where no position is stored. */
const keyOf = ({ filter, machine, requestor, status, type }: Selection): FollowPosition.Key =>
  FollowPosition.makeKey<Exclude<keyof Selection, "since">>({
    filter: Option.toArray(filter),
    machine,
    requestor,
    status,
    type,
  })

const startOf = ({ since }: Selection) =>
  Effect.map(DateTime.now, (now) =>
    TimeArgument.ago(
      Option.getOrElse(since, () => defaultSince),
      now,
    ),
  )

/** Runs until it is interrupted or an error ends it. */
export const run = (options: Options) =>
  follow(options).pipe(Effect.scoped, Effect.provide(Download.layer(options)), Effect.mapError(Failure.fromError))

const follow = Effect.fnUntraced(function* (options: Options) {
  const output = yield* Output.make({ ...options, isFollowing: true })
  const actions = yield* ActionsFile.make(options)
  const selection = Discovery.ofSessions(options.selection)
  const { filter, isMeant } = Discovery.follow(selection)
  const saving = Download.savingOf(options)

  const show = (event: Follow.Event) => {
    switch (event.event) {
      case "resumed":
        return options.quiet
          ? Effect.void
          : Messages.write(`resumes with actions created since ${Format.dateAndTime(event.since)}`)
      case "searched":
        return output.looked(DateTime.distance(event.at, event.next))
      case "gaveUp":
        return Messages.write(
          `gave up ${event.machineActionId}:${event.index} after a day; run the same command again to download it`,
        )
      case "unavailable":
        return Messages.write(`waiting: ${printable(event.message)}`)
      default:
        return output.event(event)
    }
  }

  yield* Follow.run({
    ...saving,
    selection: { key: keyOf(selection), filter, isSelected: isMeant },
    since: yield* startOf(selection),
    onAction: actions.keep,
  }).pipe(Stream.runForEach(show), output.during)
})
