/**
 * Directories of results, as downloads leave them.
 */
import { createHash } from "node:crypto"
import * as DateTime from "effect/DateTime"
import type * as Cli from "./Cli.ts"
import * as Machines from "./Machines.ts"
import * as Samples from "./Samples.ts"

type Fields = Readonly<Record<string, unknown>>

export interface Result {
  /** The number of its machine and of its session. */
  readonly machine: number
  readonly index?: number
  readonly bytes: Uint8Array
  readonly ending?: string
  /** More fields of its line in the manifest. */
  readonly recorded?: Fields
}

export const nameOf = (machine: number): string => `ws-${machine}.contoso.com`

export const script = (fields: Fields = {}): Uint8Array =>
  Buffer.from(JSON.stringify({ script_name: "a.ps1", exit_code: 0, script_output: "", script_errors: "", ...fields }))

const isoAt = (millis: number) => DateTime.formatIso(DateTime.makeUnsafe(millis))

const started = Date.UTC(2026, 10, 25, 8)

const common = (machine: number, index: number): Fields => ({
  version: 1,
  machineActionId: Samples.action(machine),
  index,
  machineId: Machines.machineAt(machine),
  machineName: nameOf(machine),
  links: 1,
  attempts: 1,
  at: isoAt(started + machine * 60_000),
})

export const pathOf = ({ ending = "json", index = 0, machine }: Pick<Result, "machine" | "index" | "ending">): string =>
  `${Samples.action(machine)}/${index}.${ending}`

export const completed = (result: Result): Fields => ({
  status: "completed",
  ...common(result.machine, result.index ?? 0),
  path: pathOf(result),
  bytes: result.bytes.length,
  sha256: createHash("sha256").update(result.bytes).digest("hex"),
  ...result.recorded,
})

export const failed = (machine: number, message: string): Fields => ({
  status: "failed",
  ...common(machine, 0),
  message,
  error: {},
})

/** A machine action with a script and a collected file. */
export const action = (machine: number, fields: Fields = {}): Fields => ({
  version: 1,
  id: Samples.action(machine),
  type: "LiveResponse",
  status: "Succeeded",
  machineId: Machines.machineAt(machine),
  computerDnsName: nameOf(machine),
  created: isoAt(started),
  commands: [
    { index: 0, type: "RunScript", status: "Completed", params: { ScriptName: "a.ps1" }, errors: [] },
    { index: 1, type: "GetFile", status: "Completed", params: { Path: "C:\\Temp\\a.zip" }, errors: [] },
  ],
  ...fields,
})

const run = "0123456789abcdef"

/** An entry of the journal of sessions. */
export const entry = (kind: string, machine: number, fields: Fields = {}): Fields => ({
  entry: kind,
  version: 1,
  run,
  machineId: Machines.machineAt(machine),
  ...fields,
})

export const lines = (values: ReadonlyArray<unknown>): string =>
  values.map((value) => `${typeof value === "string" ? value : JSON.stringify(value)}\n`).join("")

/** Fills `results` in a sandbox. */
export const fill = (
  box: Cli.Sandbox,
  of: {
    readonly results: ReadonlyArray<Result>
    readonly failed?: ReadonlyArray<Fields>
    readonly actions?: ReadonlyArray<Fields>
    readonly sessions?: ReadonlyArray<Fields | string>
  },
): void => {
  for (const result of of.results) box.write(`results/${pathOf(result)}`, result.bytes)
  box.write("results/manifest.jsonl", lines([...of.results.map(completed), ...(of.failed ?? [])]))
  if (of.actions !== undefined) box.write("results/actions.jsonl", lines(of.actions))
  if (of.sessions !== undefined) box.write("results/sessions.jsonl", lines(of.sessions))
}
