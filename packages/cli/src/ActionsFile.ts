/**
 * What is known of the actions whose results are in a directory: `live-response results` has the machines' names from it.
 */
import type { BatchEvent } from "@live-response/core/BatchEvent"
import { Skipped } from "@live-response/core/ResultEvent"
import * as FileName from "@live-response/core/FileName"
import * as JsonLines from "@live-response/core/JsonLines"
import { hasResult, MachineAction } from "@live-response/core/MachineAction"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import { ofAction, type ResultRef } from "@live-response/core/ResultRef"
import type { StoreError } from "@live-response/core/StoreError"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** The actions that are known in a directory. */
export const read = (files: PrivateDirectory.PrivateDirectory): Stream.Stream<MachineAction, StoreError> =>
  JsonLines.read(files, FileName.single.actions, MachineAction)

/**
 * The file is made with the first action, and has each of them once. Which of their commands may have no result is known
 * as well: a 404 for one of those is an answer, and not a failure.
 */
export const make = Effect.fnUntraced(function* ({ directory }: { readonly directory: string }) {
  const context = yield* Effect.context<FileSystem.FileSystem | Path.Path | Scope.Scope>()
  const opened = yield* Effect.gen(function* () {
    const files = yield* PrivateDirectory.open(directory)
    const ids = new Set<string>()
    yield* Stream.runForEach(read(files), ({ id }) => Effect.sync(() => ids.add(id)))
    const { append } = yield* JsonLines.open(files, FileName.single.actions, MachineAction)
    return { append, ids }
  }).pipe(Effect.provide(context), Effect.cached)

  const doubtful = new Set<string>()
  let unfinished = 0

  const keep = Effect.fnUntraced(function* (action: MachineAction) {
    for (const command of action.commands) {
      if (hasResult(action, command) === "maybe") doubtful.add(`${action.id}:${command.index}`)
    }
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
        Stream.tap((action) =>
          Effect.sync(() => {
            if (action.commands.some((command) => hasResult(action, command) === "not yet")) unfinished++
          }),
        ),
        Stream.flatMap((action) => Stream.fromIterable(ofAction(action))),
      ),

    /** How many of those actions had commands that have not finished, so that their results were left out. */
    unfinished: () => unfinished,

    /** What an event of a result means with what is known of its command. */
    settled: (event: BatchEvent): BatchEvent => {
      if (event.event !== "failed" || event.error._tag !== "DefenderError") return event
      const { at, index, machineActionId } = event
      return event.error.reason._tag === "NotFound" && doubtful.has(`${machineActionId}:${index}`)
        ? Skipped.make({ at, machineActionId, index, reason: "absent" })
        : event
    },
  }
})
