/**
 * `actions.jsonl`: the machine actions whose results are in a directory. `live-response results` takes the machines' names
 * from it.
 */
import * as AbsentResult from "@live-response/core/AbsentResult"
import type { BatchEvent } from "@live-response/core/BatchEvent"
import { commandsOf, hasResult, type MachineAction } from "@live-response/core/MachineAction"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import { keyOf, ofAction, type ResultRef } from "@live-response/core/ResultRef"
import * as StoredAction from "@live-response/core/StoredAction"
import type { StoreError } from "@live-response/core/StoreError"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** Opens the file of a directory. It is created with the first action, and has each action once. */
export const make = Effect.fnUntraced(function* ({ directory }: { readonly directory: string }) {
  const context = yield* Effect.context<FileSystem.FileSystem | Path.Path | Scope.Scope>()
  const read = yield* Effect.gen(function* () {
    const files = yield* PrivateDirectory.open(directory)
    return { files, stored: yield* StoredAction.stored(files) }
  }).pipe(Effect.provide(context), Effect.cached)
  const opened = yield* Effect.flatMap(read, ({ files, stored }) =>
    Effect.map(StoredAction.open(files), ({ append }) => ({ append, stored })),
  ).pipe(Effect.provide(context), Effect.cached)
  /** The actions that this run has stored. */
  const added = new Set<string>()

  const seen = {
    /** Commands that may have no result. */
    uncertain: new Set<string>(),
    /** The number of actions with commands that have not finished, whose results are left out. */
    unfinished: 0,
  }

  const store = Effect.fnUntraced(function* (action: MachineAction) {
    for (const index of AbsentResult.possible(action)) seen.uncertain.add(keyOf({ machineActionId: action.id, index }))
    const { append, stored } = yield* opened
    if (added.has(action.id) || stored.has(action.id)) return
    added.add(action.id)
    yield* append(action)
  })

  return {
    /** Reads the file now, so that one that can't be used is reported before anything else is done. */
    check: Effect.asVoid(read),

    store,

    /** The results of actions, each of which is stored. */
    resultsOf: <E, R>(actions: Stream.Stream<MachineAction, E, R>): Stream.Stream<ResultRef, E | StoreError, R> =>
      actions.pipe(
        Stream.tap(store),
        Stream.tap((action) =>
          Effect.sync(() => {
            if (commandsOf(action).some((command) => hasResult(action, command) === "not yet")) seen.unfinished++
          }),
        ),
        Stream.flatMap((action) => Stream.fromIterable(ofAction(action))),
      ),

    /** The number of actions whose results were left out, because commands of them have not finished. */
    unfinished: () => seen.unfinished,

    /** Turns a failure into a skip if it is a 404 of a command that may have no result. */
    classify: (event: BatchEvent): BatchEvent => AbsentResult.settle(event, (ref) => seen.uncertain.has(keyOf(ref))),
  }
})
