/** The rate below which a transfer counts as stalled, and how fast its bytes arrive. */
import type * as Duration from "effect/Duration"

/** The minimum by default, in bytes a second and the window of its average. */
export const usualMinimum: { readonly bytesPerSecond: number; readonly over: Duration.Input } = {
  bytesPerSecond: 1000,
  over: "1 minute",
}

/** A minimum rate, over a window of `over` milliseconds. */
export interface Minimum {
  readonly bytesPerSecond: number
  readonly over: number
}

/** The bytes that arrived during a number of milliseconds of waiting for them. */
export interface Window {
  readonly waited: number
  readonly bytes: number
}

/** In bytes a second. */
export const rateOf = ({ bytes, waited }: Window): number => (bytes * 1000) / waited

/** Whether a window is full, and too few bytes arrived in it. */
export const isTooSlow = (window: Window, { bytesPerSecond, over }: Minimum): boolean =>
  window.waited >= over && rateOf(window) < bytesPerSecond

const empty: Window = { waited: 0, bytes: 0 }

/** How fast the bytes of a transfer arrive, across its attempts: a new attempt does not make a slow transfer faster. */
export class Pace {
  window = empty
  /** Whether the last attempt was stopped because it was too slow. */
  isTooSlow = false

  /** Adds a read. A window that is full and fast enough is replaced by an empty one. */
  add(waited: number, bytes: number, minimum: Minimum): void {
    this.window = { waited: this.window.waited + waited, bytes: this.window.bytes + bytes }
    if (this.window.waited >= minimum.over && !isTooSlow(this.window, minimum)) this.window = empty
  }

  /** The window with a read in progress that has lasted `waited` milliseconds. */
  during(waited: number): Window {
    return { ...this.window, waited: this.window.waited + waited }
  }

  /** Marks the attempt as stopped because it was too slow. */
  stopSlow(): void {
    this.window = empty
    this.isTooSlow = true
  }
}
