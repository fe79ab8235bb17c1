/**
 * The DNS names of the machines of a run: events have only ids, by which nobody knows a machine.
 */
export interface MachineNames {
  readonly add: (id: string, name: string | undefined) => void
  /** The name of a machine, if it is known: a machine that is named by its id may have none. */
  readonly of: (id: string) => string | undefined
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
