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
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as ActionsFileReader from "../../input/ActionsFileReader.ts"
import * as Damage from "../../input/Damage.ts"
import * as ResultRows from "../../input/ResultRows.ts"
import * as TextHash from "../../input/TextHash.ts"
import * as UnknownMachines from "../../input/UnknownMachines.ts"
import * as DirectoryReader from "./directoryReader.ts"
import { Collector, type About, type Read } from "./collector.ts"
import type { HashOf } from "./collectedTexts.ts"
import * as LivePart from "./livePart.ts"
import { unknownNamesOf } from "./payload.ts"

/** What was read of a directory. */
class Contents implements LivePart.Source {
  readonly id: string
  readonly collector: Collector
  /** What `actions.jsonl` has. */
  readonly actions = new Map<MachineActionId, ActionsFileReader.KnownAction>()
  readonly positions: Record<keyof typeof followed, JsonLines.Position | undefined> = {
    manifest: undefined,
    actions: undefined,
    sessions: undefined,
  }
  version = 1
  damaged = Damage.none
  unknownNames = unknownNamesOf(UnknownMachines.none)
  /** Whether all of the directory was read. */
  isRead = false
  /** Whether something has changed what was read before. Then all must be read again, which hardly ever happens. */
  isOutdated = false
  get isCurrent() {
    return this.isRead && !this.isOutdated
  }
  readonly stamps = { machines: new LivePart.Stamps(), actions: new LivePart.Stamps(), results: new LivePart.Stamps() }
  /** By action and index of the command, the number of its row. */
  private readonly rows = new Map<MachineActionId, Map<number, number>>()

  constructor(id: string, hashOf: HashOf) {
    this.id = id
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

  readonly startVersion = (): number => this.version++
}

const followed = {
  manifest: FileName.single.manifest,
  actions: FileName.single.actions,
  sessions: FileName.single.sessions,
}

/** Adds each of a stream, and lets others run after each chunk: downloads continue meanwhile. */
const addInTurns = <A, E, R>(all: Stream.Stream<A, E, R>, add: (each: A) => void) =>
  Stream.runForEachArray(all, (some) =>
    Effect.andThen(
      Effect.sync(() => some.forEach(add)),
      Effect.yieldNow,
    ),
  )

/** Adds what was appended. */
const read = Effect.fnUntraced(function* (
  files: PrivateDirectory.PrivateDirectory,
  contents: Contents,
  parts: Readonly<Record<keyof typeof followed, JsonLines.Part>>,
) {
  const actions = yield* ActionsFileReader.read(files, contents.countDamaged("actions"), parts.actions)
  yield* addInTurns(Stream.fromIterable(actions.values(), { chunkSize: 1_000 }), (action) => contents.addStored(action))
  const isKnown = (id: MachineActionId) => contents.actions.has(id)
  yield* DirectoryReader.addSessions(files, contents, isKnown, contents.countDamaged("sessions"), parts.sessions)
  const finished = yield* Manifest.streamFinished(files, contents.countDamaged("manifest"), parts.manifest)
  const rows = yield* ResultRows.ofEntries(files, finished, contents.actions, { limit: longestOutput })
  yield* addInTurns(rows, (row) => contents.addRow(row))
})

/** Reads what was appended since the last time. */
const update = Effect.fnUntraced(function* (files: PrivateDirectory.PrivateDirectory, contents: Contents) {
  const { positions } = contents
  // The manifest first: the action of a result is recorded before the result.
  const manifest = yield* JsonLines.progress(files, followed.manifest, positions.manifest)
  const actions = yield* JsonLines.progress(files, followed.actions, positions.actions)
  const sessions = yield* JsonLines.progress(files, followed.sessions, positions.sessions)
  if (!manifest.isSame || !actions.isSame || !sessions.isSame) {
    contents.isOutdated = true
    return
  }
  const partOf = (name: keyof typeof followed, { position }: typeof manifest) => ({
    from: positions[name]?.end ?? 0,
    to: position.end,
  })
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
  contents.unknownNames = yield* DirectoryReader.readUnknownNames(files)
  contents.isRead = true
})

export interface LiveCollector {
  /**
   * Reads what was appended, and returns whether the data is complete: reading all again, after a file was replaced or changes what
   * was read before, may have to wait. After an error, or when it is interrupted, the next call reads all again.
   */
  readonly refresh: Effect.Effect<boolean, StoreError>

  /** The next part of what a page lacks that sends this cursor. While the directory is read for the first time, what was read of it. */
  readonly answer: (cursor: string, about: Omit<About, keyof Read>) => LivePart.Part
}

/** Reading all again takes at most a fifth of the time: the downloads come first. */
const share = 5

/** Opens a directory. Nothing is read before the first refresh. A part of the data has at most `most`. */
export const make = Effect.fnUntraced(function* (files: PrivateDirectory.PrivateDirectory, most = LivePart.most) {
  const hasher = yield* Hasher.Hasher
  const hashOf = yield* TextHash.make
  const startedAt = yield* Clock.currentTimeMillis
  interface State {
    /** How often all was read, when it last was, how long it took, and why it failed. Times are milliseconds. */
    made: number
    contents: Contents
    readAt: number
    took: number
    failure: StoreError | undefined
  }
  const newContents = (made: number) => new Contents(`${startedAt} ${made}`, hashOf)
  const state: State = { made: 0, contents: newContents(0), readAt: 0, took: 0, failure: undefined }
  const readAll = Effect.gen(function* () {
    const startedAt = yield* Clock.currentTimeMillis
    const contents = newContents(++state.made)
    // Pages show what was read before until all is read again.
    if (!state.contents.isRead) state.contents = contents
    const read = yield* Effect.result(update(files, contents))
    state.readAt = yield* Clock.currentTimeMillis
    state.took = state.readAt - startedAt
    state.failure = Result.isFailure(read) ? read.failure : undefined
    if (state.failure !== undefined) return yield* state.failure
    // What lines of the same reading change of each other needs no other reading.
    contents.isOutdated = false
    state.contents = contents
    return true
  })
  const refresh = Effect.gen(function* () {
    const { contents } = state
    if (contents.isCurrent) yield* update(files, contents)
    if (contents.isCurrent) return true
    const since = (yield* Clock.currentTimeMillis) - state.readAt
    // A clock that was put back must not postpone it.
    if (since < 0 || since >= state.took * share) return yield* readAll
    return state.failure === undefined ? false : yield* state.failure
  })
  return {
    answer: (cursor, about) => LivePart.next(state.contents, cursor, about, most),
    refresh: refresh.pipe(
      Effect.onError(() => Effect.sync(() => (state.contents.isOutdated = true))),
      Effect.provideService(Hasher.Hasher, hasher),
    ),
  } satisfies LiveCollector
})

/** Opens a directory of very many small files, which are read directly, a few at a time. */
export const open = (directory: string) =>
  Effect.flatMap(PrivateDirectory.open(directory), (files) => make(files)).pipe(
    Effect.provide(NodeDirectFileSystem.layerBatch),
  )
