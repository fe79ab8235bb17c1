/**
 * Which machines are named, as arguments or in lists, as far as that is known before the run.
 */
import type { Machine } from "@live-response/core/Machine"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Lists from "../../input/Lists.ts"
import type * as Machines from "../../input/MachineArguments.ts"

/** The ids and the DNS names, in lower case. None if one of the lists can be read only once: the run reads it. */
export const keysOf = Effect.fnUntraced(function* <E, R>(
  all: Stream.Stream<Machines.Machine | Lists.BadLine, E, R>,
  lists: ReadonlyArray<string>,
) {
  const keys = new Set<string>()
  if (!(yield* Effect.forEach(lists, Lists.isRepeatable)).every(Boolean)) return keys
  yield* Stream.runForEach(all, (machine) =>
    Effect.sync(() => {
      if (typeof machine === "string") keys.add(machine.toLowerCase())
      else if ("name" in machine) keys.add(machine.name.toLowerCase())
    }),
  )
  return keys
})

/** Whether a machine is among them. */
export const isNamed = (keys: ReadonlySet<string>, { computerDnsName = "", id }: Machine): boolean =>
  keys.has(id.toLowerCase()) || keys.has(computerDnsName.toLowerCase())
