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

const state = h("span", { class: "live", role: "status" }, "connecting")

const say = (text: string): void => {
  if (state.textContent !== text) state.textContent = text
}

/** Reads the data, or what of it is new. */
const read = (before: Snapshot | undefined): Promise<Snapshot> =>
  fetch(`data?after=${encodeURIComponent(before?.cursor ?? "")}`, { cache: "no-store" }).then((response) =>
    response.text().then((text) => {
      if (!response.ok) throw new Error(text.trim())
      return readLive(text, before)
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
    const startedAt = performance.now()
    read(snapshot).then(
      (newer) => {
        snapshot = newer
        if (show === undefined) show = start(newer.model, state)
        else show(newer.model)
        return pause((performance.now() - startedAt) * share)
      },
      () => {
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
