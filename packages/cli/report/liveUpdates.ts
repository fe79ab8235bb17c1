// @effect-diagnostics globalFetch:off globalTimers:off newPromise:off
// A browser runs it, where there is no Effect.
/**
 * A page that a collector serves: it reads the data again when the collector has another version of it, and reconnects by
 * itself. It keeps no connection open, so any number of tabs can show it.
 */
import { h } from "./dom.ts"
import { type Model, readLive, type Snapshot } from "./model.ts"

/** Whether this page was served by a collector, and not read from a file. */
export const isLive = document.documentElement.dataset["live"] !== undefined

/** Reading and showing takes at most a quarter of the time, so that the page can be used meanwhile. */
const share = 3

const shortestPause = 500

const pauseAfterProblem = 2_000

/** How often it asks whether there is something new. A result is there within two seconds. */
const watchEvery = 500

/** How long the collector may take to answer. */
const versionPatience = 5_000
const dataPatience = 60_000

/** How long it may take to read new results before the page says so. */
const behindAfter = 10_000

const pauseBeforeReload = 5_000

/** While the data comes in parts, how long after it was shown it is shown again at the earliest. */
const showEvery = 1_000

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

const ask = (path: string, patience: number): Promise<Response> => {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(), patience)
  return fetch(path, { cache: "no-store", signal: controller.signal }).finally(() => clearTimeout(timer))
}

/** What a collector answered: the next part of the data, or of what is new, or why there is none. */
const read = (before: Snapshot | undefined): Promise<{ readonly ok: boolean; readonly text: string }> =>
  ask(`data?after=${encodeURIComponent(before?.cursor ?? "")}`, dataPatience).then((response) =>
    response.text().then((text) => ({ ok: response.ok, text })),
  )

/** Until the page is seen. Nobody looks at a hidden one. */
const visible = (): Promise<void> =>
  document.hidden
    ? new Promise((resolve) => document.addEventListener("visibilitychange", () => resolve(visible()), { once: true }))
    : Promise.resolve()

const after = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))

/** Without the permission to read, only a new page helps. */
const needsPermission = ({ status }: Response): boolean => status === 401 || status === 403

/** Loads this page again as soon as the collector answers. Until then there is none, or that of a proxy. */
const reload = (): Promise<void> =>
  after(pauseBeforeReload)
    .then(() => ask("version", versionPatience))
    .then((response) => (response.ok || needsPermission(response) ? location.reload() : reload()), reload)

/**
 * Asks the collector again and again which version its data has, and says whether it answers. `onVersion` gets each answer,
 * and returns the state of the page.
 */
const watch = (onVersion: (version: string) => string): Promise<void> =>
  visible()
    .then(() => ask("version", versionPatience))
    .then((response) =>
      response.text().then((version) => {
        if (response.ok) return say(onVersion(version))
        say("disconnected, reconnecting")
        return needsPermission(response) ? reload() : undefined
      }),
    )
    .catch(() => say("disconnected, reconnecting"))
    .then(() => after(watchEvery))
    .then(() => watch(onVersion))

/** `start` shows the first data, and returns what shows newer data. */
export const run = (start: (model: Model, state: HTMLElement) => (newer: Model) => void): void => {
  let show: ((newer: Model) => void) | undefined
  let snapshot: Snapshot | undefined
  let isBusy = false
  let isStale = false
  /** When the reading in progress started. */
  let readingSince: number | undefined
  let problem: string | undefined
  /** Whether the page once had all that there was. */
  let hasAll = false

  const pause = (millis: number) =>
    setTimeout(
      () => {
        isBusy = false
        if (isStale) refresh()
      },
      Math.max(shortestPause, millis),
    )

  /** How many results are shown, and from when on more of them may be while there are parts to come. */
  let count = 0
  let showAgainAt = 0

  /** Shows what was read. Parts of data that is read again are not shown before there is as much as is shown now. */
  const showIfDue = ({ isComplete, model }: Snapshot, startedAt: number) => {
    if (!isComplete && (model.count <= count || startedAt < showAgainAt)) return
    count = model.count
    if (show === undefined) show = start(model, state)
    else show(model)
    const now = performance.now()
    showAgainAt = now + Math.max(showEvery, (now - startedAt) * share)
  }

  const retry = (text: string) => {
    problem = text
    sayProblem(text)
    isStale = true
    pause(pauseAfterProblem)
  }

  const showNext = (text: string) => {
    // The collector may have taken its time, and the page has not.
    const startedAt = performance.now()
    const newer = readLive(text, snapshot)
    snapshot = newer
    showIfDue(newer, startedAt)
    problem = undefined
    if (!newer.isComplete) return readNext()
    hasAll = true
    readingSince = undefined
    say("live")
    pause((performance.now() - startedAt) * share)
  }

  /** The collector may have been upgraded, so its own page can read this data. A page that has read none yet is its own. */
  const onUnreadable = (error: unknown) => {
    const why = error instanceof Error ? error.message : String(error)
    if (show === undefined) return retry(`can't read the results: ${why}; reload this page`)
    problem = "can't read the new results, reloading this page"
    say(problem)
    void reload()
  }

  const readNext = (): void => {
    readingSince ??= performance.now()
    void read(snapshot)
      .then(
        ({ ok, text }) => (ok ? showNext(text) : retry(`can't read the results: ${text.trim()}`)),
        () => {
          // A collector that is gone is reported by what watches it.
          isStale = true
          pause(0)
        },
      )
      .catch(onUnreadable)
  }

  const refresh = () => {
    isStale = true
    if (isBusy) return
    isBusy = true
    isStale = false
    readNext()
  }

  let shown: string | undefined
  void watch((version) => {
    if (version !== shown) refresh()
    shown = version
    const isBehind = readingSince !== undefined && performance.now() - readingSince > behindAfter
    if (problem !== undefined) return problem
    if (show === undefined) return "connecting"
    if (!hasAll) return "reading the results"
    return isBehind ? "behind, reading new results" : "live"
  })
}
