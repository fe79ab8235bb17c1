/**
 * What is known of sessions on many machines, so that no machine ever has the same one twice.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { cachedSuccess } from "./internal/cachedSuccess.ts"
import { randomHex } from "./internal/randomHex.ts"
import * as FileName from "./FileName.ts"
import * as JsonLines from "./JsonLines.ts"
import { MachineAction, MachineActionId } from "./MachineAction.ts"
import * as PrivateDirectory from "./PrivateDirectory.ts"
import { Command, type Session } from "./Session.ts"
import { StoreError } from "./StoreError.ts"

/** `at` is when the entry was made. Entries of older versions do not have it. */
const ofMachine = {
  run: Schema.String,
  machineId: Schema.String,
  at: Schema.optionalKey(Schema.DateTimeUtcFromString),
}

/**
 * The session is being asked for. Written before the API is, so a program that ends in between leaves no doubt that there
 * may be one: its comment holds `mark`, which no other has.
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
 * The session is this action.
 *
 * @since 0.1.0
 * @category entries
 */
export class Started extends Schema.Class<Started>("@live-response/core/FleetJournal/Started")({
  entry: Schema.tag("started"),
  ...ofMachine,
  machineActionId: MachineActionId,
}) {}

/**
 * The session was not begun: the API refused it, or does not have it.
 *
 * @since 0.1.0
 * @category entries
 */
export class NotStarted extends Schema.Class<NotStarted>("@live-response/core/FleetJournal/NotStarted")({
  entry: Schema.tag("notStarted"),
  ...ofMachine,
}) {}

/**
 * The session is over.
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

/** A session, and the name that its runs go by. */
const Header = Schema.Struct({
  entry: Schema.tag("run"),
  run: Schema.String,
  commands: Schema.NonEmptyArray(Command),
  comment: Schema.String,
})

type Header = typeof Header.Type

const Line = Schema.Union([Header, ...Entry.members])

/**
 * A session's runs, this one and those before it that had the same commands and comment.
 *
 * @since 0.1.0
 * @category models
 */
export interface Run {
  /** Random, and the same whenever the session is run again. */
  readonly id: string

  /** What is known of a machine, in whatever case its id is written. */
  readonly find: (machineId: string) => Effect.Effect<Option.Option<Entry>>

  /** Remembers it, for this run and for the next. */
  readonly append: (entry: Entry) => Effect.Effect<void, StoreError>
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** The runs of a session; the first one where there was none. */
  readonly open: (session: Session) => Effect.Effect<Run, StoreError>
}

/**
 * Remembers what was run where. One program at a time.
 *
 * @since 0.1.0
 * @category services
 */
export class FleetJournal extends Context.Service<FleetJournal, Service>()("@live-response/core/FleetJournal") {}

const isSame = (header: Header, { commands, comment }: Pick<Session, "commands" | "comment">) =>
  header.comment === comment && Equal.equals(header.commands, commands)

const make = Effect.fnUntraced(function* (write: (line: typeof Line.Type) => Effect.Effect<void, StoreError>) {
  const oneAtATime = yield* Semaphore.make(1)
  /** By the names of their runs. Should one session have two names, all that is known stands under the first. */
  const headers = new Map<string, Header>()
  const entries = new Map<string, Entry>()
  const headerOf = (session: Pick<Session, "commands" | "comment">) =>
    Array.from(headers.values()).find((header) => isSame(header, session))
  const keyOf = (run: string, machineId: string) => `${headers.get(run)?.run ?? run} ${machineId.toLowerCase()}`

  const learn = (line: typeof Line.Type) => {
    if (line.entry === "run") headers.set(line.run, headerOf(line) ?? line)
    else entries.set(keyOf(line.run, line.machineId), line)
  }
  const remember = (line: typeof Line.Type) =>
    Effect.andThen(
      write(line),
      Effect.sync(() => learn(line)),
    ).pipe(Effect.uninterruptible)

  const open = Effect.fn("FleetJournal.open")(function* (session: Session): Effect.fn.Return<Run, StoreError> {
    const known = headerOf(session)
    const { commands, comment } = session
    const header: Header = known ?? { entry: "run", run: yield* randomHex(16), commands, comment }
    if (known === undefined) yield* remember(header)
    return {
      id: header.run,
      find: (machineId) => Effect.sync(() => Option.fromNullishOr(entries.get(keyOf(header.run, machineId)))),
      append: remember,
    }
  }, oneAtATime.withPermits(1))
  return { learn, open }
})

/**
 * Remembers for this program alone.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<FleetJournal> = Layer.effect(
  FleetJournal,
  make(() => Effect.void),
)

const decodeKind = Schema.decodeUnknownOption(Schema.Struct({ entry: Schema.String }))
const kinds = new Set<string>(Line.members.map(({ fields }) => fields.entry.schema.literal))

/** Why a line can't be passed over: its machine might have the session twice. */
const refuse = (path: string, { line, value }: JsonLines.DamagedLine) => {
  const kind = Option.getOrUndefined(Option.flatMap(value, decodeKind))?.entry
  const detail =
    kind === undefined || kinds.has(kind)
      ? `line ${line} is damaged, so its machine might get the session twice; check in the Microsoft Defender portal whether it had one, then correct or delete the line`
      : `line ${line} is of a kind that this version does not know (${kind}); use the version of live-response that wrote it`
  return new StoreError({ path, problem: "Failed", detail })
}

/**
 * Remembers in `<directory>/sessions.jsonl`, which is read when the first session is opened, and made when there was none.
 * What is in it is on the disk before anything is done that it speaks of.
 *
 * **Details**
 *
 * A last line that was cut short, as a crash leaves it, is cut off: nothing was done yet that it speaks of. With any other
 * damaged line, and with one of a kind that a later version writes, opening a session fails with a `StoreError` that
 * names the line. An `open` that failed is tried again at the next call.
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
      const scope = yield* Effect.scope
      const name = FileName.single.sessions
      const read = Effect.gen(function* () {
        const opened = yield* PrivateDirectory.open(directory)
        const file = yield* JsonLines.open(opened, name, Line)
        const journal = yield* make(file.append)
        yield* JsonLines.read(opened, name, Line, (damaged) => Effect.fail(refuse(opened.pathOf(name), damaged))).pipe(
          Stream.runForEach((line) => Effect.sync(() => journal.learn(line))),
        )
        return journal
      })
      const journal = yield* Scope.fork(scope).pipe(
        // A file that could not be read is closed before it is tried again.
        Effect.flatMap((attempt) =>
          read.pipe(
            Effect.provideService(Scope.Scope, attempt),
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
