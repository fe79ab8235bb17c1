/**
 * Whether a collector lives: pure rules over what it saw last.
 */

/** Times are milliseconds since 1970. */
export interface Looks {
  readonly startedAt: number
  /** When the service last answered. */
  last: number | undefined
  /** With `--follow`: how long after a look the next one starts. */
  every: number | undefined
  /** Since when the service can't be reached, and why. */
  problem: { readonly since: number; readonly message: string } | undefined
}

export interface Health {
  readonly status: "ok" | "starting" | "stale"
  /** ISO 8601 in UTC. `null` before the first look. */
  readonly lastLook: string | null
  /** Since the last look, or since the start. */
  readonly lagSeconds: number
  readonly problem?: string
}

const minute = 60_000

/** How long a problem may last, and how much later than planned a look may be, so that a single retry raises no alarm. */
const grace = 2 * minute

const isStale = ({ every, last, problem, startedAt }: Looks, now: number): boolean => {
  if (problem !== undefined && now - problem.since > grace) return true
  // While a run waits for machines, nothing says how often it looks.
  return every !== undefined && now - (last ?? startedAt) > 3 * every + grace
}

export const healthOf = (looks: Looks, now: number, iso: (millis: number) => string): Health => {
  const { last, problem, startedAt } = looks
  const status = isStale(looks, now) ? "stale" : last === undefined ? "starting" : "ok"
  return {
    status,
    lastLook: last === undefined ? null : iso(last),
    lagSeconds: Math.max(0, Math.round((now - (last ?? startedAt)) / 1000)),
    ...(problem === undefined ? {} : { problem: problem.message }),
  }
}

/** What a command observes. */
export type Observed =
  | { readonly event: "searched"; readonly every: number }
  | { readonly event: "offline" | "unavailable"; readonly message: string }
  | { readonly event: "other" }

/** Adds what a command observed at some time. */
export const observe = (looks: Looks, observed: Observed, now: number): void => {
  switch (observed.event) {
    case "offline":
    case "unavailable":
      looks.problem ??= { since: now, message: observed.message }
      return
    case "searched":
      looks.every = observed.every
      looks.last = now
      looks.problem = undefined
      return
    case "other":
      looks.last = now
      looks.problem = undefined
  }
}
