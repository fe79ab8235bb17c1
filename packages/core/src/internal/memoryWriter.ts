/** Writes results to memory. */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Algorithm, Hash } from "../Hasher.ts"
import type { ResultChunk, ResultHead, ResumePoint } from "../ResultChunk.ts"
import type { ResultRef } from "../ResultRef.ts"
import { Inspection } from "./resultInspection.ts"

/** A result in progress that a writer left. */
interface Part {
  readonly resume: ResumePoint
  readonly bytes: Uint8Array
}

export interface Memory {
  readonly files: Map<string, Uint8Array>
  readonly parts: Map<string, Part>
}

/** What a writer has received. `head` is absent if nothing of it is to be resumed. */
interface Received {
  head: ResultHead | undefined
  chunks: Array<Uint8Array>
}

export const open = Effect.fnUntraced(function* (
  { files, parts }: Memory,
  hasher: (algorithm: Algorithm) => Hash,
  ref: ResultRef,
) {
  const inspection = new Inspection(hasher, ref)
  const part = parts.get(String(ref))
  const received: Received = { head: part?.resume.head, chunks: part === undefined ? [] : [part.bytes] }
  if (part !== undefined) {
    inspection.start(part.resume.head)
    inspection.add(part.bytes)
    parts.delete(String(ref))
  }
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      const { chunks, head } = received
      if (head === undefined) return
      parts.set(String(ref), { resume: { head, offset: inspection.size }, bytes: Bytes.concat(chunks) })
    }),
  )
  const discard = Effect.sync(() => {
    received.head = undefined
  })

  return {
    resume: part?.resume,
    write: ({ bytes, head, offset }: ResultChunk) =>
      Effect.sync(() => {
        if (offset === 0) {
          inspection.start(head)
          received.chunks = []
        }
        inspection.announce(head)
        inspection.add(bytes)
        received.head = head
        received.chunks.push(bytes)
      }),
    complete: Effect.gen(function* () {
      yield* discard
      const stored = yield* inspection.finish(Stream.fromIterable(received.chunks))
      files.set(stored.path, Bytes.concat(received.chunks))
      return stored
    }),
    discard,
  }
})
