/** A minimum rate, in milliseconds. */
export interface Minimum {
  readonly bytesPerSecond: number
  readonly over: number
}

/** How many bytes came during how many milliseconds of waiting for them. */
export interface Window {
  readonly waited: number
  readonly bytes: number
}

/** In bytes a second. */
export const rateOf = ({ bytes, waited }: Window): number => (bytes * 1000) / waited

/** Whether a window is full, and too few bytes came in it. */
export const isTooSlow = (window: Window, { bytesPerSecond, over }: Minimum): boolean =>
  window.waited >= over && rateOf(window) < bytesPerSecond

const empty: Window = { waited: 0, bytes: 0 }

/** How fast the bytes of a transfer come, through all of its attempts: one that broke has not made them faster. */
export class Pace {
  window = empty
  /** Whether the last attempt was ended for it. */
  isTooSlow = false

  /** A read that took so long brought so many bytes. A window that is full and fast enough makes way for the next. */
  add(waited: number, bytes: number, minimum: Minimum): void {
    this.window = { waited: this.window.waited + waited, bytes: this.window.bytes + bytes }
    if (this.window.waited >= minimum.over && !isTooSlow(this.window, minimum)) this.window = empty
  }

  /** The window with a read that has lasted so long. */
  during(waited: number): Window {
    return { ...this.window, waited: this.window.waited + waited }
  }

  /** An attempt is ended for it. */
  endSlow(): void {
    this.window = empty
    this.isTooSlow = true
  }
}
