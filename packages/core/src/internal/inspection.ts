import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as FileName from "../FileName.ts"
import type { Algorithm, Hash } from "../Hasher.ts"
import { ResultHead } from "../ResultChunk.ts"
import type { ResultRef } from "../ResultRef.ts"
import * as TransferError from "../TransferError.ts"
import * as OriginalName from "./originalName.ts"

export const kindOf = (start: Uint8Array): FileName.Kind => {
  if (start[0] === 0x1f && start[1] === 0x8b) return "gz"
  return /^\uFEFF?\s*\{/.test(new TextDecoder().decode(start)) ? "json" : "bin"
}

/** How much of the beginning tells what a result is, and what it was called. */
const startLength = OriginalName.gzipHeaderLength

interface State {
  head: ResultHead
  size: number
  start: Uint8Array
  sha256: Hash
  md5: Hash | undefined
}

const mismatch = (ref: ResultRef, what: TransferError.Mismatch["what"], expected: string, actual: string) =>
  new TransferError.TransferError({
    result: String(ref),
    reason: new TransferError.Mismatch({ what, expected, actual }),
  })

/** What every store does alike: counts, hashes, checks. It knows nothing of where the bytes go. */
export const make = (hash: (algorithm: Algorithm) => Hash, ref: ResultRef) => {
  /** MD5 is costly, so it is computed only where there is one to compare with. */
  const startWith = (head: ResultHead): State => ({
    head,
    size: 0,
    start: new Uint8Array(),
    sha256: hash("SHA-256"),
    md5: head.md5 === undefined ? undefined : hash("MD5"),
  })
  let state = startWith(ResultHead.make({}))

  return {
    get size() {
      return state.size
    },
    /** Starts, or starts over. */
    start: (announced: ResultHead) => {
      state = startWith(announced)
    },
    /** What was announced of the same content later on. */
    learn: (announced: ResultHead) => {
      state.head = announced
    },
    add: (bytes: Uint8Array) => {
      if (state.size < startLength) {
        state.start = Bytes.concat([state.start, bytes.subarray(0, startLength - state.size)])
      }
      state.sha256.update(bytes)
      state.md5?.update(bytes)
      state.size += bytes.length
    },
    /** `all` is read where the MD5 was announced only after the first bytes. */
    finish: Effect.fnUntraced(function* <E, R>(all: Stream.Stream<Uint8Array, E, R>) {
      const { head, md5, sha256, size, start } = state
      if (head.length !== undefined && head.length !== size) {
        return yield* mismatch(ref, "length", `${head.length} bytes`, `${size} bytes`)
      }
      if (head.md5 !== undefined) {
        const computed = md5 ?? hash("MD5")
        if (md5 === undefined) yield* Stream.runForEach(all, (bytes) => Effect.sync(() => computed.update(bytes)))
        const actual = Base64.encode(computed.digest())
        if (actual !== head.md5) return yield* mismatch(ref, "md5", head.md5, actual)
      }
      const fileName = head.fileName ?? Option.getOrUndefined(OriginalName.fromGzip(start))
      return {
        path: FileName.ofResult(ref, kindOf(start)),
        bytes: size,
        sha256: Hex.encode(sha256.digest()),
        ...(head.etag === undefined ? {} : { etag: head.etag }),
        ...(fileName === undefined ? {} : { fileName }),
        ...(head.unchecked === true && head.md5 === undefined ? { unchecked: head.unchecked } : {}),
      }
    }),
    /** A file that is not as long as what was counted on the way to it holds something else as well, or lacks some of it. */
    checkFile: (size: number) =>
      size === state.size ? Effect.void : Effect.fail(mismatch(ref, "file", `${state.size} bytes`, `${size} bytes`)),
  }
}
