/**
 * What became of each machine of a directory.
 */
import { assert, describe, it } from "@effect/vitest"
import * as FleetJournal from "@live-response/core/FleetJournal"
import { Machines, outcomeOf } from "../src/commands/report/machineOutcomes.ts"
import * as MachineSamples from "./support/Machines.ts"
import { id } from "./support/ProgressSamples.ts"

const failed = (n: number) => ({
  kind: "failed" as const,
  machineActionId: id(n),
  index: 0,
  machineId: MachineSamples.machineAt(0),
  machineName: "ws-0.contoso.com",
  source: "a.ps1",
  at: undefined,
  links: 1,
  attempts: 1,
  problem: `problem ${n}`,
})

describe("the machines of a directory", () => {
  it("keep their failed results in one map, which is not copied for each of them", () => {
    const machines = new Machines()
    machines.addRow(failed(0), 0)
    const problems = machines.all[0]?.problems
    for (let n = 1; n < 10; n++) machines.addRow(failed(n), n)
    machines.removeProblem(0, 0)
    assert.strictEqual(machines.all[0]?.problems, problems)
    assert.deepStrictEqual(Array.from(problems?.keys() ?? []), [1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert.deepStrictEqual(machines.all.map(outcomeOf), [{ state: "download failed", reason: "problem 1" }])
  })

  it("say where a session may not have started", () => {
    const machines = new Machines()
    const of = { run: "0123456789abcdef", machineId: MachineSamples.machineAt(0) }
    machines.addEntry(FleetJournal.Starting.make({ ...of, mark: "0123456789abcdef" }))
    const unknown = "Whether it has started is not known yet; the same command finds out"
    assert.deepStrictEqual(machines.all.map(outcomeOf), [{ state: "not finished", reason: unknown }])
    machines.addEntry(FleetJournal.Started.make({ ...of, machineActionId: id(1) }))
    assert.deepStrictEqual(machines.all.map(outcomeOf), [{ state: "not finished", reason: "Offline or in progress" }])
  })
})
