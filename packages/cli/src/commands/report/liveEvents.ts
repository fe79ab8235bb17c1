/**
 * Serves a live page where `--listen` asks for one, and gives it what a command reports.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Listen } from "../../flags/Listen.ts"
import type * as EventOutput from "../../output/EventOutput.ts"
import type { Observed } from "./liveHealth.ts"

/** Most runs serve no page, and need not load what does. */
const loadLive = Effect.promise(() => import("./live.ts"))

/** Events after which the page would show something else. */
const changing: ReadonlySet<string> = new Set(["completed", "failed", "started", "ended", "notStarted", "unfinished"])

const observedOf = (event: EventOutput.Observed): Observed => {
  if (event.event === "searched") return { event: "searched", every: Duration.toMillis(event.next) }
  if (event.event === "unavailable") return { event: "unavailable", message: event.message }
  // A machine can be offline too, although the service is there.
  return event.event === "offline" && "until" in event
    ? { event: "offline", message: event.message }
    : { event: "other" }
}

/** The observer of a command, if it serves a page. */
export const observer = Effect.fnUntraced(function* (listen: Option.Option<Listen>, directory: string) {
  if (Option.isNone(listen)) return undefined
  const { serve } = yield* loadLive
  const { observe } = yield* serve(listen.value, directory)
  return (event: EventOutput.Observed) => observe(observedOf(event), changing.has(event.event))
})
