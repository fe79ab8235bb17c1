/**
 * The DNS names of the machines of a run: events have only ids, by which nobody knows a machine.
 */
export interface MachineNames {
  readonly add: (id: string, name: string | undefined) => void
  /** The name of a machine, if it is known: a machine that is named by its id may have none. */
  readonly of: (id: string) => string | undefined
}

/** An id for where there is no space for all of it. Ids may begin alike, so its end is shown too. */
export const shortenId = (id: string): string => `${id.slice(0, 4)}…${id.slice(-6)}`

/** A machine for where there is no space for all of it: the first label of its DNS name, because domains are what machines share. */
export const shorten = (machine: string): string => {
  if (/^[0-9a-f]{40}$/.test(machine)) return shortenId(machine)
  if (/^[\d.]+$/.test(machine)) return machine
  const [label = ""] = machine.split(".", 1)
  // A machine may name itself, such as with a dot at the beginning, and must not vanish.
  return label.trim() === "" ? machine : label
}

export const make = (): MachineNames => {
  const names = new Map<string, string>()
  return {
    add: (id, name) => {
      if (name) names.set(id.toLowerCase(), name)
    },
    of: (id) => names.get(id.toLowerCase()),
  }
}
