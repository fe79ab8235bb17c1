/**
 * Requests that are sent at once or not at all. A program may be frozen while it opens a connection, and what it asked for may have
 * been given up and done by another one when it continues: a session must not start twice.
 */
import type { Dispatcher } from "@effect/platform-node/Undici"
import type { Progress } from "@live-response/core/RequestProgress"
import * as Stopwatch from "@live-response/core/Stopwatch"
import type * as Clock from "effect/Clock"

/** Longer than a connection may take to open, and shorter than the search for a session whose request may be on its way. */
const mostWait = 45_000

/** Its code is that of a request that was not sent. */
const tooLate = () =>
  Object.assign(new Error("the connection opened too late, because this program stood still"), {
    code: "UND_ERR_CONNECT_TIMEOUT",
  })

/** Undici calls `onRequestStart` when the connection is open, right before it writes the request, and writes none that is aborted. */
const checked = (
  handler: Dispatcher.DispatchHandler,
  elapsed: () => number,
  progress: Progress | undefined,
): Dispatcher.DispatchHandler => ({
  onRequestStart: (controller, context) => {
    handler.onRequestStart?.(controller, context)
    if (elapsed() > mostWait) controller.abort(tooLate())
    if (!controller.aborted) progress?.sending()
  },
  onRequestUpgrade: (...args) => handler.onRequestUpgrade?.(...args),
  onResponseStart: (...args) => handler.onResponseStart?.(...args),
  onResponseData: (...args) => handler.onResponseData?.(...args),
  onResponseEnd: (...args) => handler.onResponseEnd?.(...args),
  onResponseError: (...args) => handler.onResponseError?.(...args),
})

/** What is known of a request. */
export interface Known {
  readonly clock: Clock.Clock
  readonly progress: Progress | undefined
  /** The milliseconds since the request was recorded. By default those since it got here. */
  readonly age: (() => number) | undefined
}

/** Aborts requests that could not be written for so long. Reports when one is written. */
export const promptly =
  ({ age, clock, progress }: Known): Dispatcher.DispatcherComposeInterceptor =>
  (dispatch) =>
  (options, handler) => {
    progress?.connecting()
    return dispatch(options, checked(handler, age ?? Stopwatch.startMillisUnsafe(clock), progress))
  }
