/**
 * The journal of sessions on machines: what it knows decides that no machine gets the same session twice.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { cachedSuccess } from "./internal/cachedSuccess.ts"
import * as FormatVersion from "./internal/formatVersion.ts"
import { randomHex } from "./internal/randomHex.ts"
import * as FileName from "./FileName.ts"
import * as JsonLines from "./JsonLines.ts"
import { MachineAction, MachineActionId } from "./MachineAction.ts"
import * as PrivateDirectory from "./PrivateDirectory.ts"
import { Command, type Session } from "./Session.ts"
import * as SessionIdentity from "./SessionIdentity.ts"
import { StoreError } from "./StoreError.ts"

/**
 * The version of the lines in `sessions.jsonl`. A line without a version is of version 1. This version is raised when an
 * older program would misread a line, because such a program refuses lines of a newer version.
 */
const version = 1

const ofLine = {
  version: Schema.tag(version).pipe(Schema.withDecodingDefaultKey(Effect.succeed(version))),
}

/** `at` is when the entry was written; the first releases did not write it. */
const ofMachine = {
  ...ofLine,
  run: Schema.String,
  machineId: Schema.String,
  at: Schema.optionalKey(Schema.DateTimeUtcFromString),
}

/**
 * The session is about to be requested. Its comment contains `mark`, which no other session has.
 *
 * **Details**
 *
 * The entry is written before the request is sent. A program that crashes in between leaves an entry that says that the
 * session may exist, and the next run searches for it.
 *
 * @since 0.1.0
 * @category entries
 */
export class Starting extends Schema.Class<Starting>("@live-response/core/FleetJournal/Starting")({
  entry: Schema.tag("starting"),
  ...ofMachine,
  mark: Schema.String,
}) {}

/**
 * The machine has the session: it is this action. `machineName` is the machine's DNS name, if the answer of the API had it: a
 * machine that is offline has no other record of it.
 *
 * @since 0.1.0
 * @category entries
 */
export class Started extends Schema.Class<Started>("@live-response/core/FleetJournal/Started")({
  entry: Schema.tag("started"),
  ...ofMachine,
  machineActionId: MachineActionId,
  machineName: Schema.optionalKey(Schema.String),
}) {}

/**
 * The machine has no session: the API refused the request, or the session does not exist. `message` says why, as
 * `FleetEvent.NotStarted` does; the first releases did not write it.
 *
 * @since 0.1.0
 * @category entries
 */
export class NotStarted extends Schema.Class<NotStarted>("@live-response/core/FleetJournal/NotStarted")({
  entry: Schema.tag("notStarted"),
  ...ofMachine,
  message: Schema.optionalKey(Schema.String),
}) {}

/**
 * The session has finished with this action.
 *
 * @since 0.1.0
 * @category entries
 */
export class Ended extends Schema.Class<Ended>("@live-response/core/FleetJournal/Ended")({
  entry: Schema.tag("ended"),
  ...ofMachine,
  action: MachineAction,
}) {}

/**
 * What is known of a machine. The last entry of a machine counts.
 *
 * @since 0.1.0
 * @category entries
 */
export const Entry = Schema.Union([Starting, Started, NotStarted, Ended])

/**
 * @since 0.1.0
 * @category entries
 */
export type Entry = typeof Entry.Type

/** A session and the id of its runs. */
const Header = Schema.Struct({
  entry: Schema.tag("run"),
  ...ofLine,
  run: Schema.String,
  commands: Schema.NonEmptyArray(Command),
  comment: Schema.String,
})

type Header = typeof Header.Type

const Line = Schema.Union([Header, ...Entry.members])

type Line = typeof Line.Type

/**
 * All runs of one session: the current one and the earlier ones with the same commands and the same comment.
 *
 * **Details**
 *
 * The `sha256` of a script or of a file is part of its command. Where an earlier run has the same commands without any, as the
 * first releases wrote them, the first session that has one continues it. A session that has none continues the last run with
 * these commands.
 *
 * @since 0.1.0
 * @category models
 */
export interface Run {
  /** A random id, the same in each run of the session. */
  readonly id: string

  /** The last entry of a machine. The case of its id does not matter. */
  readonly find: (machineId: string) => Effect.Effect<Option.Option<Entry>, StoreError>

  /** Stores an entry for this run and for later ones. It is on the disk when the effect succeeds. */
  readonly append: (entry: Entry) => Effect.Effect<void, StoreError>
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** Opens the runs of a session. A session without runs gets a new id. */
  readonly open: (session: Session) => Effect.Effect<Run, StoreError>
}

/**
 * Stores what is known of sessions on machines.
 *
 * **Gotchas**
 *
 * Only one program at a time may use a journal. `NodeDirectoryLock` locks a directory for one program.
 *
 * @since 0.1.0
 * @category services
 */
export class FleetJournal extends Context.Service<FleetJournal, Service>()("@live-response/core/FleetJournal") {}

/** The lines of a journal in memory. Where one session has two ids, the first counts for all of its entries. */
class Lines {
  /** The run that counts for each id. */
  private readonly runs = new Map<string, string>()
  readonly headers: Array<Header> = []
  private readonly entries = new Map<string, Entry>()

  add(line: Line): void {
    if (line.entry !== "run") return void this.entries.set(this.keyOf(line.run, line.machineId), line)
    const known = this.headerOf(line)
    if (!this.runs.has(line.run)) this.runs.set(line.run, known?.run ?? line.run)
    if (known === undefined) this.headers.push(line)
  }

  headerOf(session: SessionIdentity.Described): Header | undefined {
    return this.headers.find((header) => SessionIdentity.isSame(header, session))
  }

  entryOf(run: string, machineId: string): Option.Option<Entry> {
    return Option.fromUndefinedOr(this.entries.get(this.keyOf(run, machineId)))
  }

  private keyOf(run: string, machineId: string): string {
    return `${this.runs.get(run) ?? run} ${machineId.toLowerCase()}`
  }
}

/** Makes the service over lines that were read. `write` stores a new line. */
const make = Effect.fnUntraced(function* (lines: Lines, write: (line: Line) => Effect.Effect<void, StoreError>) {
  const oneAtATime = yield* Semaphore.make(1)

  const append = (line: Line) =>
    Effect.andThen(
      write(line),
      Effect.sync(() => lines.add(line)),
    ).pipe(Effect.uninterruptible)

  const startRuns = Effect.fnUntraced(function* (session: Session) {
    const { commands, comment } = session
    const run = SessionIdentity.runOf(lines.headers, session) ?? (yield* randomHex(16))
    const header = Header.make({ run, commands, comment })
    yield* append(header)
    return header
  })

  const open = Effect.fn("FleetJournal.open")(function* (session: Session): Effect.fn.Return<Run, StoreError> {
    const { run: id } = lines.headerOf(session) ?? (yield* startRuns(session))
    return { id, append, find: (machineId) => Effect.sync(() => lines.entryOf(id, machineId)) }
  }, oneAtATime.withPermits(1))

  const service: Service = { open }
  return service
})

/**
 * Stores the journal in the memory of this program.
 *
 * **Gotchas**
 *
 * A program that crashes leaves no trace of its sessions, so the next run may start them a second time.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<FleetJournal> = Layer.effect(
  FleetJournal,
  Effect.suspend(() => make(new Lines(), () => Effect.void)),
)

const decodeKind = Schema.decodeUnknownOption(Schema.Struct({ entry: Schema.String }))
const kinds = new Set<string>(Line.members.map(({ fields }) => fields.entry.schema.literal))

/** What is wrong with a line that can't be read, and the next step. */
const problemOf = (value: Option.Option<unknown>): string => {
  const newer = Option.flatMap(value, (line) => FormatVersion.newer(line, version))
  if (Option.isSome(newer)) return FormatVersion.describeNewer(newer.value, version)
  const kind = Option.getOrUndefined(Option.flatMap(value, decodeKind))?.entry
  return kind === undefined || kinds.has(kind)
    ? "is damaged, so its machine might get the session twice; check in the Microsoft Defender portal whether it had one, then correct or delete the line"
    : `is of a kind that this version does not know (${kind}); use the version of live-response that wrote it`
}

const refuse = (path: string, { line, value }: JsonLines.DamagedLine) =>
  new StoreError({ path, problem: "Failed", detail: `line ${line} ${problemOf(value)}` })

/**
 * The entries of machines in `<directory>/sessions.jsonl`, in their order. None if there is no such file.
 *
 * **When to use**
 *
 * Use it to show what became of machines. To start sessions, use the service.
 *
 * **Details**
 *
 * It only reads, so a run may write to the directory meanwhile. `onDamaged` receives each line that can't be read. A line of a
 * newer version fails with a `StoreError` that names it.
 *
 * @since 0.1.0
 * @category reading
 */
export const entries = (
  directory: PrivateDirectory.PrivateDirectory,
  onDamaged: (damaged: JsonLines.DamagedLine) => Effect.Effect<void>,
  part?: JsonLines.Part,
): Stream.Stream<Entry, StoreError> => {
  const refuseNewer = FormatVersion.refuseNewerLine(directory.pathOf(FileName.single.sessions), version)
  return JsonLines.readLocated(directory, FileName.single.sessions, Line, {
    ...part,
    onDamaged: (damaged) => Effect.andThen(refuseNewer(damaged), onDamaged(damaged)),
  }).pipe(Stream.filterMap(({ entry: line }) => (line.entry === "run" ? Result.failVoid : Result.succeed(line))))
}

/**
 * The files of a session whose content is not what the last run with the same commands and the same comment had, as
 * `<directory>/sessions.jsonl` says. None where the session continues a run.
 *
 * **When to use**
 *
 * Use it to ask before a run: with another content, the session is another one, and starts on every machine.
 *
 * @since 0.1.0
 * @category reading
 */
export const changedFiles = Effect.fnUntraced(function* (
  directory: PrivateDirectory.PrivateDirectory,
  session: Session,
): Effect.fn.Return<ReadonlyArray<string>, StoreError> {
  const lines = new Lines()
  // `open` refuses a journal with a damaged line.
  yield* JsonLines.read(directory, FileName.single.sessions, Line, () => Effect.void).pipe(
    Stream.runForEach((line) => Effect.sync(() => (line.entry === "run" ? lines.add(line) : undefined))),
  )
  return SessionIdentity.changedFiles(lines.headers, session)
})

/** Reads the lines. One that can't be read is refused. */
const readLines = Effect.fnUntraced(function* (directory: PrivateDirectory.PrivateDirectory) {
  const name = FileName.single.sessions
  const lines = new Lines()
  yield* JsonLines.read(directory, name, Line, (damaged) => Effect.fail(refuse(directory.pathOf(name), damaged))).pipe(
    Stream.runForEach((line) => Effect.sync(() => lines.add(line))),
  )
  return lines
})

/**
 * The last entry of a machine in the runs that a session continues, as `<directory>/sessions.jsonl` says. It only reads.
 *
 * **When to use**
 *
 * Use it to show what a run of the session would do, with `Fleet.decide`.
 *
 * @since 0.1.0
 * @category reading
 */
export const lookup = Effect.fnUntraced(function* (
  directory: PrivateDirectory.PrivateDirectory,
  session: Session,
): Effect.fn.Return<(machineId: string) => Option.Option<Entry>, StoreError> {
  const lines = yield* readLines(directory)
  const run = SessionIdentity.runOf(lines.headers, session)
  return (machineId) => (run === undefined ? Option.none() : lines.entryOf(run, machineId))
})

/** Opens the file and reads its lines. */
const openFile = Effect.fnUntraced(function* (path: string) {
  const directory = yield* PrivateDirectory.open(path)
  const file = yield* JsonLines.open(directory, FileName.single.sessions, Line)
  return yield* make(yield* readLines(directory), file.append)
})

/**
 * Stores the journal in `<directory>/sessions.jsonl`.
 *
 * **Details**
 *
 * The file is created, or read, when the first session is opened. An `open` that failed is repeated at the next call. Each
 * line has a `version`; lines without one are of version 1.
 *
 * A last line that a crash cut short is removed: the action that it announces has not happened yet. With any other line that
 * can't be read, and with a line of a newer version, `open` fails with a `StoreError` that names the line; the file stays as
 * it is.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFileSystem = ({
  directory,
}: {
  readonly directory: string
}): Layer.Layer<FleetJournal, never, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    FleetJournal,
    Effect.gen(function* () {
      const context = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
      const journal = yield* Scope.fork(yield* Effect.scope).pipe(
        Effect.flatMap((attempt) =>
          openFile(directory).pipe(
            Scope.provide(attempt),
            // Closes a file that could not be read before it is opened again.
            Effect.onError((cause) => Scope.close(attempt, Exit.failCause(cause))),
          ),
        ),
        Effect.provide(context),
        Effect.uninterruptible,
        cachedSuccess,
      )
      return { open: (session) => Effect.flatMap(journal, ({ open }) => open(session)) }
    }),
  )
