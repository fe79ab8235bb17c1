/** What processes use, as Linux counts it. */
import { readFileSync } from "node:fs"

/** Linux counts in hundredths of a second. */
const ticksPerSecond = 100

const textOf = (path: string): string => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    // There is no such process any more.
    return ""
  }
}

/** A process and its children. */
export const withChildren = (pid: number): ReadonlyArray<number> => [
  pid,
  ...textOf(`/proc/${pid}/task/${pid}/children`)
    .split(" ")
    .flatMap((child) => (child.trim() === "" ? [] : [Number(child)])),
]

const fieldsOf = (pid: number): ReadonlyArray<string> =>
  // The name of the program, in brackets, may have spaces.
  textOf(`/proc/${pid}/stat`)
    .replace(/^.*\) /, "")
    .split(" ")

export const parentOf = (pid: number): number => Number(fieldsOf(pid)[1])

/** Seconds of CPU, those of former children included. */
export const cpuSeconds = (pids: ReadonlyArray<number>): number =>
  pids.reduce((sum, pid) => {
    const fields = fieldsOf(pid)
    return sum + fields.slice(11, 15).reduce((ticks, field) => ticks + Number(field), 0) / ticksPerSecond
  }, 0)

/** Megabytes in memory now. */
export const residentMegabytes = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(textOf(`/proc/${pid}/status`))?.[1] ?? 0) / 1000
