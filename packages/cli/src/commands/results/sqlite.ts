/**
 * Writes the results of a directory to an SQLite file, for questions that a table does not answer.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite"
import * as AtomicFile from "@live-response/core/AtomicFile"
import * as FileName from "@live-response/core/FileName"
import type { PrivateDirectory } from "@live-response/core/PrivateDirectory"
import * as ScriptFields from "@live-response/core/ScriptFields"
import * as Stack from "@live-response/core/Stack"
import { StoreError } from "@live-response/core/StoreError"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as OutputFile from "../../input/OutputFile.ts"
import type * as ActionsFileReader from "../../input/ActionsFileReader.ts"
import * as ResultRows from "../../input/ResultRows.ts"
import * as DirectoryReader from "../report/directoryReader.ts"
import { type Machine, Machines, outcomeOf } from "../report/machineOutcomes.ts"

/** `docs/report.md` describes the columns. Times are ISO 8601 in UTC, which SQLite's date functions read. */
const schema = `
  CREATE TABLE actions (
    action_id TEXT PRIMARY KEY, machine_id TEXT, machine TEXT, status TEXT, requestor TEXT, comment TEXT,
    created TEXT, updated TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE machines (machine_id TEXT, machine TEXT, state TEXT, reason TEXT) STRICT;
  CREATE TABLE results (
    action_id TEXT, command INTEGER, kind TEXT, machine_id TEXT, machine TEXT, source TEXT, exit_code INTEGER,
    output TEXT, output_characters INTEGER, normalised TEXT, first_line TEXT, errors TEXT, errors_characters INTEGER,
    path TEXT, bytes INTEGER, sha256 TEXT, finished TEXT, links INTEGER, attempts INTEGER, problem TEXT,
    PRIMARY KEY (action_id, command)
  ) STRICT;
  CREATE TABLE fields (action_id TEXT, command INTEGER, record INTEGER, name TEXT, value TEXT) STRICT;
  CREATE VIEW stack AS
    SELECT normalised AS value, count(*) AS count,
      count(DISTINCT coalesce(nullif(lower(machine_id), ''), machine)) AS machines, min(machine) AS example
    FROM results WHERE kind = 'script' GROUP BY normalised ORDER BY machines, count, value;
`

/** For the questions that most people ask. Created last, which is faster. */
const indexes = `
  CREATE INDEX fields_by_name ON fields (name, value);
  CREATE INDEX results_by_machine ON results (machine);
`

type Value = string | number | null

const insertInto = (table: string, columns: number) => `INSERT INTO ${table} VALUES (${"?, ".repeat(columns - 1)}?)`

const isoOf = (millis: number | undefined): Value =>
  millis === undefined ? null : DateTime.formatIso(DateTime.makeUnsafe(millis))

const actionValues = (action: ActionsFileReader.KnownAction): ReadonlyArray<Value> => [
  action.id,
  action.machineId,
  action.machineName,
  action.status,
  action.requestor,
  action.comment,
  isoOf(action.created),
  isoOf(action.updated),
]

/** What became of a machine, as in the report. */
const machineValues = (machine: Machine): ReadonlyArray<Value> => {
  const { reason, state } = outcomeOf(machine)
  return [machine.id, machine.name || machine.id, state, reason]
}

const scriptValues = (row: ResultRows.ResultRow): ReadonlyArray<Value> => {
  if (row.kind !== "script") return [null, null, null, null, null, null, null]
  const { errors, errorsLength, exitCode, output, outputLength } = row.script
  return [
    exitCode ?? null,
    output,
    outputLength,
    Stack.normalise(output, row.machineName),
    Stack.firstLine(output),
    errors,
    errorsLength,
  ]
}

const resultValues = (row: ResultRows.ResultRow): ReadonlyArray<Value> => [
  row.machineActionId,
  row.index,
  row.kind,
  row.machineId,
  ResultRows.machineOf(row),
  row.source,
  ...scriptValues(row),
  ...("path" in row ? [row.path, row.bytes, row.sha256] : [null, null, null]),
  isoOf(row.at),
  row.links,
  row.attempts,
  "problem" in row ? row.problem : null,
]

const addFields = (insert: StatementSync, row: ResultRows.ScriptRow): void => {
  const records = ScriptFields.parse(row.script.output)?.records ?? []
  records.forEach((fields, record) => {
    for (const [name, values] of fields) {
      for (const value of values) insert.run(row.machineActionId, row.index, record, name, value)
    }
  })
}

/** Statements that insert rows, in one transaction that `finish` ends. */
const writerOf = (database: DatabaseSync) => {
  // The file has its name only when it is complete, so a crash needs no journal.
  database.exec(`PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN; ${schema}`)
  const insertAction = database.prepare(insertInto("actions", 8))
  const insertMachine = database.prepare(insertInto("machines", 4))
  const insertResult = database.prepare(insertInto("results", 20))
  const insertField = database.prepare(insertInto("fields", 5))
  return {
    addAction: (action: ActionsFileReader.KnownAction) => insertAction.run(...actionValues(action)),
    addMachine: (machine: Machine) => insertMachine.run(...machineValues(machine)),
    addRow: (row: ResultRows.ResultRow) => {
      insertResult.run(...resultValues(row))
      if (row.kind === "script") addFields(insertField, row)
    },
    finish: () => database.exec(`${indexes} COMMIT`),
  }
}

const format: OutputFile.Format = { noun: "an SQLite file", start: "SQLite format 3\u0000" }

/** Writes the file, and returns its path and how many results it has. A file of that name is replaced when it is complete. */
export const write = Effect.fnUntraced(function* (files: PrivateDirectory, file: string) {
  const { directory, name } = yield* OutputFile.open(file, format)
  const part = FileName.partOf(name, process.pid)
  const attempt = <A>(body: () => A) =>
    Effect.try({
      try: body,
      catch: (cause) => new StoreError({ path: directory.pathOf(part), problem: "Failed", detail: String(cause) }),
    })
  yield* Effect.addFinalizer(() => Effect.ignore(directory.remove(part)))
  const created = yield* directory.create(part)
  const path = yield* directory.prepare(part)
  const database = yield* Effect.acquireRelease(
    attempt(() => new DatabaseSync(path)),
    (database) => Effect.sync(() => database.isOpen && database.close()),
  )
  const { actions, damaged, rows } = yield* ResultRows.read(files, { limit: Stack.longestOutput })
  const writer = yield* attempt(() => writerOf(database))
  const machines = new Machines()
  const known = new Map(actions)
  const addAction = (action: ActionsFileReader.KnownAction) => {
    machines.addAction(action)
    known.set(action.id, action)
  }
  for (const action of actions.values()) machines.addAction(action)
  yield* DirectoryReader.addAllSessions(files, { machines, addAction }, (id) => actions.has(id), damaged)
  const count = yield* Stream.runFoldEffect(
    rows,
    () => 0,
    (count, row) =>
      Effect.as(
        attempt(() => {
          machines.addRow(row, count)
          writer.addRow(row)
        }),
        count + 1,
      ),
  )
  yield* attempt(() => {
    known.forEach(writer.addAction)
    machines.all.forEach(writer.addMachine)
    writer.finish()
    database.close()
  })
  yield* AtomicFile.publish(directory, created, part, name)
  return { rows: count, sqlite: directory.pathOf(name) }
}, Effect.scoped)
