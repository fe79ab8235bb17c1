/** The directory in which results wait for their upload. Nothing stays in it that is not needed. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as PrivateDirectory from "../PrivateDirectory.ts"
import type { StoreError } from "../StoreError.ts"
import { acquire } from "./acquire.ts"
import * as KeyedLock from "./keyedLock.ts"

/** A part that is older is not resumed: its result was downloaded elsewhere, or nobody wants it any more. */
const longestPart = Duration.days(1)

export interface Spool {
  /** Uses the directory of a machine action until the scope closes. It is removed when nobody uses it and it is empty. */
  readonly use: (action: string) => Effect.Effect<void, never, Scope.Scope>

  /** Creates the directory of a file that is derived from a result. It is in use. */
  readonly prepare: (path: string) => Effect.Effect<void, StoreError>

  readonly read: (path: string) => Stream.Stream<Uint8Array, StoreError>
  readonly remove: (path: string) => Effect.Effect<void, StoreError>
}

export const actionOf = (path: string): string => path.slice(0, Math.max(0, path.indexOf("/")))

const isPart = (name: string) => /^\d{1,3}\.part(\.json)?$/.test(name)

/** Removes what an earlier program left of one machine action. */
const clean = Effect.fnUntraced(function* (directory: PrivateDirectory.PrivateDirectory, action: string) {
  const now = yield* Clock.currentTimeMillis
  for (const file of yield* directory.list(action)) {
    const name = `${action}/${file}`
    const changedAt = Option.flatMap(yield* directory.info(name), ({ mtime }) => mtime)
    const isRecent = Option.exists(changedAt, (date) => now - date.getTime() < Duration.toMillis(longestPart))
    if (!isPart(file) || !isRecent) yield* directory.remove(name)
  }
  yield* directory.removeEmptyDirectoryOf(`${action}/_`)
})

const isId = (name: string) => /^[0-9a-f-]{36}$/i.test(name)

/** Opens a spool that nobody uses, and removes what an earlier program left of it. */
const openCleaned = Effect.fnUntraced(function* (path: string) {
  const directory = yield* PrivateDirectory.open(path, { isTemporary: true })
  // What can't be read or removed concerns one action: its results fail if they are downloaded again.
  for (const action of yield* directory.list()) {
    if (isId(action)) yield* Effect.ignore(clean(directory, action))
  }
  return directory
})

/** Cleans the spools below a directory, and removes those that are empty. */
export const cleanBelow = Effect.fnUntraced(function* (path: string) {
  const paths = yield* Path.Path
  const above = yield* PrivateDirectory.open(path)
  for (const name of yield* above.list()) {
    if (!isId(name)) continue
    yield* openCleaned(paths.join(path, name)).pipe(
      Effect.andThen(above.removeEmptyDirectoryOf(`${name}/_`)),
      Effect.catch((error) => Effect.logWarning(`${error.message}; the spool is not cleaned`)),
    )
  }
})

export const open = Effect.fnUntraced(function* (path: string) {
  const directory = yield* openCleaned(path)
  const hold = KeyedLock.make()
  const users = new Map<string, number>()

  const count = (action: string, change: 1 | -1) =>
    Effect.sync(() => {
      const now = (users.get(action) ?? 0) + change
      if (now === 0) users.delete(action)
      else users.set(action, now)
      return now
    })
  /** One at a time for each action, so that no directory is removed in which a file is about to be created. */
  const exclusively = <A>(action: string, effect: Effect.Effect<A>): Effect.Effect<A> =>
    Effect.scoped(Effect.andThen(hold(action), effect))

  const leave = (action: string) =>
    exclusively(
      action,
      Effect.flatMap(count(action, -1), (left) =>
        left === 0 ? Effect.ignore(directory.removeEmptyDirectoryOf(`${action}/_`)) : Effect.void,
      ),
    )
  const spool: Spool = {
    use: (action) => Effect.asVoid(acquire(exclusively(action, count(action, 1)), () => leave(action))),
    prepare: (name) => directory.makeDirectoryOf(name),
    read: (name) => directory.read(name),
    remove: (name) => directory.remove(name),
  }
  return spool
})
