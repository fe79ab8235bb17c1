/** Writes results to files. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as FileName from "../FileName.ts"
import type { Algorithm, Hash } from "../Hasher.ts"
import type { PrivateDirectory } from "../PrivateDirectory.ts"
import type { ResultChunk, ResultHead } from "../ResultChunk.ts"
import type { ResultRef } from "../ResultRef.ts"
import { allowBorrowing } from "./borrowing.ts"
import { Inspection } from "./resultInspection.ts"
import * as PartFile from "./partFileWriter.ts"
import type { SpaceWatch } from "./spaceWatch.ts"

export interface Files {
  readonly directory: PrivateDirectory
  readonly hasher: (algorithm: Algorithm) => Hash
  readonly space: SpaceWatch
  /** Where short results are put, by their path, instead of a file. By default each result has a file. */
  readonly held?: Map<string, Uint8Array> | undefined
}

/** Reads what an earlier writer left. */
const inspectPart = Effect.fnUntraced(function* (part: PartFile.PartFile, head: ResultHead, inspection: Inspection) {
  inspection.start(head)
  yield* Stream.runForEach(PartFile.bytes(part), (bytes) => Effect.sync(() => inspection.add(bytes)))
  return { head, offset: inspection.size }
})

/**
 * Checks the part and gives it the name of the result. A part that is not what was announced is removed, and so is what was
 * unpacked of an earlier content.
 */
const complete = (part: PartFile.PartFile, inspection: Inspection, ref: ResultRef, held: Files["held"]) =>
  Effect.gen(function* () {
    const bytes = PartFile.takeHeld(part)
    if (bytes !== undefined) {
      const stored = yield* inspection.finish(Stream.succeed(bytes))
      yield* inspection.checkFile(bytes.length)
      held?.set(stored.path, bytes)
      return stored
    }
    const size = yield* PartFile.finish(part)
    const stored = yield* inspection.finish(PartFile.bytes(part))
    yield* inspection.checkFile(size)
    if (!part.isFirst) yield* Effect.ignore(part.directory.remove(FileName.ofResult(ref, "unpacked")))
    yield* PartFile.publish(part, stored.path)
    return stored
  }).pipe(
    Effect.tapErrorTag("TransferError", () => PartFile.discard(part)),
    PartFile.exclusively(part),
  )

export const open = Effect.fnUntraced(function* ({ directory, hasher, held, space }: Files, ref: ResultRef) {
  const part = yield* PartFile.open({
    directory,
    name: FileName.ofResult(ref, "part"),
    record: FileName.ofResult(ref, "part.json"),
    mayBeHeld: held !== undefined,
  })
  const reserved = yield* space.reserve()
  const inspection = new Inspection(hasher, ref)
  const resume = part.head === undefined ? undefined : yield* inspectPart(part, part.head, inspection)

  return allowBorrowing({
    resume,
    write: Effect.fnUntraced(function* ({ bytes, head, offset }: ResultChunk) {
      const left = head.length === undefined ? bytes.length : head.length - offset
      if (!PartFile.isHeld(part, head, bytes)) yield* space.take(reserved, bytes.length, left)
      if (offset === 0) {
        inspection.start(head)
        if (!PartFile.isPristine(part)) yield* PartFile.exclusively(part)(PartFile.startOver(part))
      }
      inspection.announce(head)
      inspection.add(bytes)
      yield* PartFile.exclusively(part)(PartFile.append(part, head, bytes))
    }),
    complete: complete(part, inspection, ref, held),
    discard: PartFile.exclusively(part)(PartFile.discard(part)),
  })
})
