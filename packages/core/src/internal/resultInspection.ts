/** Counts, hashes and checks the bytes of a result. It is the same for every store, and does not know where bytes go. */
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

/** The kind of a result and its original name are in its first bytes. */
const startLength = OriginalName.gzipHeaderLength

type Hasher = (algorithm: Algorithm) => Hash

/** What is known of the bytes so far. */
interface State {
  head: ResultHead
  size: number
  start: Uint8Array
  /** Created for the first bytes: a writer starts with a state that the head of the answer replaces. */
  sha256: Hash | undefined
  readonly md5: Hash | undefined
}

/** MD5 is costly, so it is computed only if there is one to compare with. */
const startState = (hasher: Hasher, head: ResultHead): State => ({
  head,
  size: 0,
  start: new Uint8Array(),
  sha256: undefined,
  md5: head.md5 === undefined ? undefined : hasher("MD5"),
})

const unannounced = ResultHead.make({})

export class Inspection {
  private readonly hasher: Hasher
  private readonly ref: ResultRef
  private state: State

  constructor(hasher: Hasher, ref: ResultRef) {
    this.hasher = hasher
    this.ref = ref
    this.state = startState(hasher, unannounced)
  }

  get size(): number {
    return this.state.size
  }

  private get sha256(): Hash {
    this.state.sha256 ??= this.hasher("SHA-256")
    return this.state.sha256
  }

  /** Starts, or starts over, with what the storage announced of the content. */
  start(head: ResultHead): void {
    this.state = startState(this.hasher, head)
  }

  /** Replaces what the storage announced of the same content. */
  announce(head: ResultHead): void {
    this.state.head = head
  }

  add(bytes: Uint8Array): void {
    const { state } = this
    if (state.size < startLength) {
      state.start = Bytes.concat([state.start, bytes.subarray(0, startLength - state.size)])
    }
    this.sha256.update(bytes)
    state.md5?.update(bytes)
    state.size += bytes.length
  }

  /** Checks the result and describes it. `all` is read only if its MD5 was announced after its first bytes. */
  finish<E, R>(all: Stream.Stream<Uint8Array, E, R>) {
    const { head, size, start } = this.state
    return Effect.gen({ self: this }, function* () {
      if (head.length !== undefined && head.length !== size) {
        return yield* this.mismatch("length", `${head.length} bytes`, `${size} bytes`)
      }
      if (head.md5 !== undefined) yield* this.checkMd5(head.md5, all)
      const fileName = head.fileName ?? Option.getOrUndefined(OriginalName.fromGzip(start))
      return {
        path: FileName.ofResult(this.ref, FileName.kindOfContent(start)),
        bytes: size,
        sha256: Hex.encode(this.sha256.digest()),
        ...(head.etag === undefined ? {} : { etag: head.etag }),
        ...(fileName === undefined ? {} : { fileName }),
        ...(head.unchecked === undefined ? {} : { unchecked: head.unchecked }),
      }
    })
  }

  /** Checks that a file is as long as the bytes that were written to it. Otherwise something else wrote to it. */
  checkFile(size: number): Effect.Effect<void, TransferError.TransferError> {
    const expected = this.state.size
    return size === expected ? Effect.void : Effect.fail(this.mismatch("file", `${expected} bytes`, `${size} bytes`))
  }

  private checkMd5<E, R>(
    announced: string,
    all: Stream.Stream<Uint8Array, E, R>,
  ): Effect.Effect<void, TransferError.TransferError | E, R> {
    const { md5 } = this.state
    const hash = md5 ?? this.hasher("MD5")
    const hashAll =
      md5 === undefined ? Stream.runForEach(all, (bytes) => Effect.sync(() => hash.update(bytes))) : Effect.void
    return Effect.flatMap(hashAll, () => {
      const actual = Base64.encode(hash.digest())
      return actual === announced ? Effect.void : Effect.fail(this.mismatch("md5", announced, actual))
    })
  }

  private mismatch(what: TransferError.Mismatch["what"], expected: string, actual: string) {
    return new TransferError.TransferError({
      result: String(this.ref),
      reason: new TransferError.Mismatch({ what, expected, actual }),
    })
  }
}
