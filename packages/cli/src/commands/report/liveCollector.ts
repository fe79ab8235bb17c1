/**
 * A directory of results in memory, for a live page: after a change it reads what was appended, and a page gets what it does not
 * have yet.
 */
import * as FileName from "@live-response/core/FileName"
import * as Hasher from "@live-response/core/Hasher"
import * as JsonLines from "@live-response/core/JsonLines"
import type { MachineActionId } from "@live-response/core/MachineAction"
import * as Manifest from "@live-response/core/Manifest"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import { longestOutput } from "@live-response/core/Stack"
import type { StoreError } from "@live-response/core/StoreError"
import * as NodeDirectFileSystem from "@live-response/node/NodeDirectFileSystem"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ActionsFileReader from "../../input/ActionsFileReader.ts"
import * as Damage from "../../input/Damage.ts"
import * as ResultRows from "../../input/ResultRows.ts"
import * as TextHash from "../../input/TextHash.ts"
import * as DirectoryReader from "./directoryReader.ts"
import { type About, Collector, type HashOf } from "./collector.ts"
import type { Changes, Payload } from "./payload.ts"

/** By the number of each, the version of the contents in which it last changed. */
class Stamps {
  private readonly versions: Array<number> = []

  set(number: number, version: number): void {
    // A list with holes is slower.
    while (this.versions.length < number) this.versions.push(0)
    this.versions[number] = version
  }

  after(version: number): ReadonlyArray<number> {
    return this.versions.flatMap((changed, number) => (changed > version ? [number] : []))
  }
}

/** What was read of a directory. */
class Contents {
  readonly collector: Collector
  /** What `actions.jsonl` has. */
  readonly actions = new Map<MachineActionId, ActionsFileReader.KnownAction>()
  readonly positions: Record<keyof typeof followed, JsonLines.Position | undefined> = {
    manifest: undefined,
    actions: undefined,
    sessions: undefined,
  }
  version = 0
  damaged = Damage.none
  /** Whether something changes what was read before. Then all must be read again, which hardly ever happens. */
  isOutdated = false
  private readonly stamps = { machines: new Stamps(), actions: new Stamps(), results: new Stamps() }
  /** By action and index of the command, the number of its row. */
  private readonly rows = new Map<MachineActionId, Map<number, number>>()

  constructor(hashOf: HashOf) {
    this.collector = new Collector(hashOf)
  }

  /** Of sessions, as `DirectoryReader.addSessions` wants it. */
  readonly machines = {
    addEntry: (entry: Parameters<Collector["machines"]["addEntry"]>[0]) => {
      const machine = this.collector.machines.addEntry(entry)
      this.stamps.machines.set(machine, this.version)
      return machine
    },
  }

  readonly addAction = (action: ActionsFileReader.KnownAction): void => {
    const { isMoved, machine, number } = this.collector.addAction(action)
    if (isMoved) this.isOutdated = true
    this.stamps.machines.set(machine, this.version)
    this.stamps.actions.set(number, this.version)
  }

  /** Adds what `actions.jsonl` says of an action, from which its results have the names of their machine and script. */
  addStored(action: ActionsFileReader.KnownAction): void {
    const known = this.actions.get(action.id)
    if (known === undefined ? this.rows.has(action.id) : !Equal.equals(known, action)) this.isOutdated = true
    this.actions.set(action.id, action)
    this.addAction(action)
  }

  addRow(row: ResultRows.ResultRow): void {
    const { collector } = this
    const ofAction = this.rows.get(row.machineActionId) ?? new Map<number, number>()
    this.rows.set(row.machineActionId, ofAction)
    const known = ofAction.get(row.index)
    const number = known ?? collector.count
    // Its output is in groups and fields.
    if (known !== undefined && !collector.hasProblem(known)) this.isOutdated = true
    const before = collector.machineOf(number)
    const machine = collector.addRow(row, number)
    if (known !== undefined && machine !== before) this.isOutdated = true
    ofAction.set(row.index, number)
    this.stamps.machines.set(machine, this.version)
    this.stamps.results.set(number, this.version)
  }

  /** Counts damaged lines of a file. */
  readonly countDamaged = (file: Damage.File) => () =>
    Effect.sync(() => {
      this.damaged = { ...this.damaged, [file]: this.damaged[file] + 1 }
    })

  changedAfter(version: number) {
    const { actions, machines, results } = this.stamps
    return { machines: machines.after(version), actions: actions.after(version), results: results.after(version) }
  }
}

const followed = {
  manifest: FileName.single.manifest,
  actions: FileName.single.actions,
  sessions: FileName.single.sessions,
}

/** Adds what was appended. */
const read = Effect.fnUntraced(function* (
  files: PrivateDirectory.PrivateDirectory,
  contents: Contents,
  parts: Readonly<Record<keyof typeof followed, JsonLines.Part>>,
) {
  const actions = yield* ActionsFileReader.read(files, contents.countDamaged("actions"), parts.actions)
  for (const action of actions.values()) contents.addStored(action)
  const isKnown = (id: MachineActionId) => contents.actions.has(id)
  yield* DirectoryReader.addSessions(files, contents, isKnown, contents.countDamaged("sessions"), parts.sessions)
  const finished = yield* Manifest.streamFinished(files, contents.countDamaged("manifest"), parts.manifest)
  const rows = yield* ResultRows.ofEntries(files, finished, contents.actions, { limit: longestOutput })
  yield* Stream.runForEachArray(rows, (rows) =>
    Effect.andThen(
      Effect.sync(() => {
        for (const row of rows) contents.addRow(row)
      }),
      // Downloads continue meanwhile.
      Effect.yieldNow,
    ),
  )
})

/** Reads what was appended since the last time. Returns whether the contents can still be used. */
const update = Effect.fnUntraced(function* (files: PrivateDirectory.PrivateDirectory, contents: Contents) {
  const { positions } = contents
  // The manifest first: the action of a result is recorded before the result.
  const manifest = yield* JsonLines.progress(files, followed.manifest, positions.manifest)
  const actions = yield* JsonLines.progress(files, followed.actions, positions.actions)
  const sessions = yield* JsonLines.progress(files, followed.sessions, positions.sessions)
  if (!manifest.isSame || !actions.isSame || !sessions.isSame) return false
  const partOf = (name: keyof typeof followed, { position }: typeof manifest) => ({
    from: positions[name]?.end ?? 0,
    to: position.end,
  })
  contents.version++
  yield* read(files, contents, {
    manifest: partOf("manifest", manifest),
    actions: partOf("actions", actions),
    sessions: partOf("sessions", sessions),
  })
  Object.assign(positions, {
    manifest: manifest.position,
    actions: actions.position,
    sessions: sessions.position,
  } satisfies Contents["positions"])
  return !contents.isOutdated
})

/** What a page has: of which contents, and how much of them. A page sends it back as it was given. */
const Cursor = Schema.fromJsonString(
  Schema.Struct({ contents: Schema.String, version: Schema.Int, texts: Schema.Int, outputs: Schema.Int }),
)
const decodeCursor = Schema.decodeUnknownOption(Cursor)
const encodeCursor = Schema.encodeSync(Cursor)

/** Data for a page. */
export interface Answer {
  /** What the page sends when it wants more. */
  readonly cursor: string
  /** The SHA-256 of the results in the data, in base64. */
  readonly hashes: string
  readonly data: Payload | Changes
}

export interface LiveCollector {
  /**
   * Reads what was appended, and returns whether the data is complete: reading all again, after a file was replaced or changes what
   * was read before, may have to wait. After an error, or when it is interrupted, the next call reads all again.
   */
  readonly refresh: Effect.Effect<boolean, StoreError>

  /** What a page lacks that sends this cursor, or all. The data is valid until the next refresh. */
  readonly answer: (cursor: string, about: Omit<About, "damaged">) => Answer
}

/** Reading all again takes at most a fifth of the time: the downloads come first. */
const share = 5

/** Opens a directory. Nothing is read before the first refresh. */
export const make = Effect.fnUntraced(function* (files: PrivateDirectory.PrivateDirectory) {
  const hasher = yield* Hasher.Hasher
  const hashOf = yield* TextHash.make
  const startedAt = yield* Clock.currentTimeMillis
  interface State {
    contents: Contents
    /** How often all was read, when it last was, how long it took, and why it failed. Times are milliseconds. */
    made: number
    readAt: number
    took: number
    failure: StoreError | undefined
  }
  const state: State = { contents: new Contents(hashOf), made: 0, readAt: 0, took: 0, failure: undefined }
  const readAll = Effect.gen(function* () {
    const startedAt = yield* Clock.currentTimeMillis
    const contents = new Contents(hashOf)
    const read = yield* Effect.result(update(files, contents))
    state.readAt = yield* Clock.currentTimeMillis
    state.took = state.readAt - startedAt
    state.failure = Result.isFailure(read) ? read.failure : undefined
    if (state.failure !== undefined) return yield* state.failure
    state.contents = contents
    state.made++
    return true
  })
  const refresh = Effect.gen(function* () {
    const { contents } = state
    const isUsable = contents.version > 0 && !contents.isOutdated && (yield* update(files, contents))
    if (isUsable) return true
    const since = (yield* Clock.currentTimeMillis) - state.readAt
    // A clock that was put back must not postpone it.
    if (since < 0 || since >= state.took * share) return yield* readAll
    return state.failure === undefined ? false : yield* state.failure
  })
  const answer: LiveCollector["answer"] = (text, about) => {
    const { collector, damaged, version } = state.contents
    // A field that is not in the report any more is in no list of changes.
    const contents = `${startedAt} ${state.made} ${collector.droppedFields}`
    const known = Option.filter(decodeCursor(text), (cursor) => cursor.contents === contents)
    const { data, hashes } = Option.match(known, {
      onNone: () => ({ data: collector.payload({ ...about, damaged }), hashes: collector.hashes }),
      onSome: (cursor) =>
        collector.changes(cursor, state.contents.changedAfter(cursor.version), { written: about.written, damaged }),
    })
    return { cursor: encodeCursor({ contents, version, ...collector.lengths }), hashes, data }
  }
  return {
    answer,
    refresh: refresh.pipe(
      Effect.onError(() => Effect.sync(() => (state.contents.isOutdated = true))),
      Effect.provideService(Hasher.Hasher, hasher),
    ),
  } satisfies LiveCollector
})

/** Opens a directory of very many small files, which are read directly, a few at a time. */
export const open = (directory: string) =>
  Effect.flatMap(PrivateDirectory.open(directory), make).pipe(Effect.provide(NodeDirectFileSystem.layerBatch))
