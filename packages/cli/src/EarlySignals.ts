/**
 * Signals that arrive while the program is loaded. Without a listener, Node ends by them before the program can say how it ends; and
 * the first process of a container, which has no listener, never gets them.
 */
const signals = ["SIGINT", "SIGTERM"] as const

type Signal = (typeof signals)[number]

/** What it needs of Node's process. */
interface Process {
  readonly on: (signal: Signal, listener: (signal: Signal) => void) => unknown
  readonly removeListener: (signal: Signal, listener: (signal: Signal) => void) => unknown
  readonly emit: (signal: Signal, name: Signal) => unknown
}

/** Holds signals back. Returns what hands them to the program, once that listens. */
export const hold = (process: Process): (() => void) => {
  const arrived: Array<Signal> = []
  const keep = (signal: Signal) => void arrived.push(signal)
  for (const signal of signals) process.on(signal, keep)
  return () => {
    for (const signal of signals) process.removeListener(signal, keep)
    for (const signal of arrived) process.emit(signal, signal)
  }
}
