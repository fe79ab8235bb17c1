/**
 * What is known of the actions whose results are in a directory: `live-response results` has the machines' names from it.
 */
import * as JsonLines from "@live-response/core/JsonLines"
import { MachineAction } from "@live-response/core/MachineAction"
import { ofAction, type ResultRef } from "@live-response/core/ResultRef"
import type { StoreError } from "@live-response/core/StoreError"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** Where it stands. */
export const fileIn = (paths: Path.Path, directory: string): string => paths.join(directory, "actions.jsonl")

/** The file is made with the first action, and has each of them once. */
export const make = Effect.fnUntraced(function* ({ directory }: { readonly directory: string }) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const scope = yield* Effect.scope
  const path = fileIn(paths, directory)
  const opened = yield* Effect.gen(function* () {
    const ids = new Set<string>()
    yield* Stream.runForEach(JsonLines.read(path, MachineAction), ({ id }) => Effect.sync(() => ids.add(id)))
    const { append } = yield* JsonLines.open(path, MachineAction)
    return { append, ids }
  }).pipe(
    Effect.provideService(FileSystem.FileSystem, fs),
    Effect.provideService(Path.Path, paths),
    Scope.provide(scope),
    Effect.cached,
  )

  const keep = Effect.fnUntraced(function* (action: MachineAction) {
    const { append, ids } = yield* opened
    if (ids.has(action.id)) return
    ids.add(action.id)
    yield* append(action)
  })

  return {
    keep,

    /** The results of actions, each of which is kept. */
    resultsOf: <E, R>(actions: Stream.Stream<MachineAction, E, R>): Stream.Stream<ResultRef, E | StoreError, R> =>
      actions.pipe(
        Stream.tap(keep),
        Stream.flatMap((action) => Stream.fromIterable(ofAction(action))),
      ),
  }
})
