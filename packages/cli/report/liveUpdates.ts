// @effect-diagnostics globalFetch:off globalTimers:off
// A browser runs it, where there is no Effect.
/**
 * A page that a collector serves: it reads the data again when the collector says that there are new results, and reconnects by
 * itself.
 */
import { h } from "./dom.ts"
import { type Model, readLive, type Snapshot } from "./model.ts"

/** Whether this page was served by a collector, and not read from a file. */
export const isLive = document.documentElement.dataset["live"] !== undefined

/** Reading and showing takes at most a quarter of the time, so that the page can be used meanwhile. */
const share = 3

const shortestPause = 500

const pauseAfterProblem = 2_000

const state = h("span", { class: "live", role: "status" }, "connecting")

const say = (text: string): void => {
  if (state.textContent !== text) state.textContent = text
}

/** Before the first data there is nothing else to see. */
const sayProblem = (text: string): void => {
  say(text)
  const loading = document.querySelector(".loading")
  if (loading !== null) loading.textContent = text
}

/** What a collector answered: data, or why there is none. */
type Answer = { readonly newer: Snapshot; readonly startedAt: number } | { readonly problem: string }

/** Reads the data, or what of it is new. */
const read = (before: Snapshot | undefined): Promise<Answer> =>
  fetch(`data?after=${encodeURIComponent(before?.cursor ?? "")}`, { cache: "no-store" }).then((response) =>
    response.text().then((text) => {
      // The collector may have taken its time, and the page has not.
      const startedAt = performance.now()
      return response.ok ? { startedAt, newer: readLive(text, before) } : { problem: text.trim() }
    }),
  )

/** `start` shows the first data, and returns what shows newer data. */
export const run = (start: (model: Model, state: HTMLElement) => (newer: Model) => void): void => {
  let show: ((newer: Model) => void) | undefined
  let snapshot: Snapshot | undefined
  let isBusy = false
  let isStale = false

  const pause = (millis: number) =>
    setTimeout(
      () => {
        isBusy = false
        if (isStale) refresh()
      },
      Math.max(shortestPause, millis),
    )

  const refresh = () => {
    isStale = true
    if (isBusy) return
    isBusy = true
    isStale = false
    read(snapshot).then(
      (answer) => {
        if ("problem" in answer) {
          sayProblem(`can't read the results: ${answer.problem}`)
          isStale = true
          return pause(pauseAfterProblem)
        }
        const { newer, startedAt } = answer
        snapshot = newer
        if (show === undefined) show = start(newer.model, state)
        else show(newer.model)
        say("live")
        return pause((performance.now() - startedAt) * share)
      },
      () => {
        // A collector that is gone is reported by the events.
        isStale = true
        return pause(0)
      },
    )
  }

  const events = new EventSource("events")
  events.addEventListener("open", () => say("live"))
  events.addEventListener("changed", refresh)
  events.addEventListener("error", () => {
    say("disconnected, reconnecting")
    // Without the permission to connect, a browser does not try again.
    if (events.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5_000)
  })
}
