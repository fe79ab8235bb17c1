/** The body of an answer, from the callbacks of undici to a stream. */
import type { Dispatcher } from "@effect/platform-node/Undici"
import * as Array from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import type { ReadBuffers } from "./readBuffers.ts"
import { ReusedBuffers } from "./reusedBuffers.ts"

/** In bytes. A chunk is hashed and written at once, so that it should fit into the cache of a processor. */
const chunkSize = 256 * 1024

/** The connection is not read while a body has this many full chunks that nobody has pulled. */
const mostWaiting = 2

/** The memory of all bodies of one client. */
export class BodyMemory {
  readonly reads: ReadBuffers
  readonly chunks = new ReusedBuffers({ size: chunkSize, mostFree: 64 })

  constructor(reads: ReadBuffers) {
    this.reads = reads
  }
}

/** How a body ended. */
type End = { readonly error: Error | undefined }

export class ResponseBody {
  private readonly memory: BodyMemory
  private readonly controller: Dispatcher.DispatchController
  /** The chunk that is being filled, and how far. */
  private filling: Uint8Array<ArrayBuffer> | undefined
  private filled = 0
  /** The chunks that nobody has pulled. */
  private waiting: Array<Uint8Array<ArrayBuffer>> = []
  /** The chunks that the consumer may read until it pulls the next ones. */
  private borrowed: ReadonlyArray<Uint8Array<ArrayBuffer>> = []
  private end: End | undefined
  private wake: (() => void) | undefined

  constructor(memory: BodyMemory, controller: Dispatcher.DispatchController) {
    this.memory = memory
    this.controller = controller
  }

  /** Copies bytes, whose memory undici and the socket then use again. */
  push(bytes: Uint8Array): void {
    for (let offset = 0; offset < bytes.length;) offset += this.append(bytes.subarray(offset))
    this.memory.reads.release(bytes)
    if (this.waiting.length >= mostWaiting) this.controller.pause()
    this.notify()
  }

  /** Ends the body. The bytes before an error are still read. */
  finish(error?: Error): void {
    this.end ??= { error }
    this.notify()
  }

  /** Appends as many bytes as fit into one chunk, and returns how many. */
  private append(bytes: Uint8Array): number {
    this.filling ??= new Uint8Array(this.memory.chunks.take())
    const fitting = bytes.subarray(0, chunkSize - this.filled)
    this.filling.set(fitting, this.filled)
    this.filled += fitting.length
    if (this.filled === chunkSize) this.closeChunk()
    return fitting.length
  }

  private closeChunk(): void {
    if (this.filling === undefined) return
    this.waiting.push(this.filling.subarray(0, this.filled))
    this.filling = undefined
    this.filled = 0
  }

  /** Wakes the consumer once the sockets have been read, so that it gets few large chunks. */
  private notify(): void {
    if (this.wake === undefined) return
    setImmediate(this.wake)
    this.wake = undefined
  }

  private takeBack(): void {
    for (const { buffer } of this.borrowed) this.memory.chunks.giveBack(buffer)
    this.borrowed = []
  }

  private lend(): ReadonlyArray<Uint8Array<ArrayBuffer>> {
    this.takeBack()
    this.closeChunk()
    this.borrowed = this.waiting
    this.waiting = []
    // Undici may push bytes before this returns: they are the first of the next chunks.
    if (this.controller.paused) this.controller.resume()
    return this.borrowed
  }

  private readonly arrival = Effect.callback<void>((resume) => {
    if (this.filled > 0 || this.waiting.length > 0 || this.end !== undefined) return resume(Effect.void)
    this.wake = () => resume(Effect.void)
    return Effect.sync(() => {
      this.wake = undefined
    })
  })

  /** Reads the chunks. Each may be read until the next ones are pulled. */
  pullWith<E>(errorOf: (cause: Error) => E): Pull.Pull<Array.NonEmptyReadonlyArray<Uint8Array>, E> {
    const pull: Pull.Pull<Array.NonEmptyReadonlyArray<Uint8Array>, E> = Effect.suspend(() => {
      const chunks = this.lend()
      if (Array.isReadonlyArrayNonEmpty(chunks)) return Effect.succeed(chunks)
      if (this.end === undefined) return Effect.flatMap(this.arrival, () => pull)
      return this.end.error === undefined ? Cause.done() : Effect.fail(errorOf(this.end.error))
    })
    return pull
  }

  /** A copy of the whole body, if all of it has arrived and nothing of it was read. */
  whole(): Uint8Array<ArrayBuffer> | undefined {
    if (this.end === undefined || this.end.error !== undefined || this.waiting.length > 0 || this.borrowed.length > 0) {
      return undefined
    }
    const [bytes = new Uint8Array()] = this.lend()
    const copy = bytes.slice()
    this.takeBack()
    return copy
  }

  readonly close = Effect.sync(() => {
    this.takeBack()
    if (this.end === undefined) this.controller.abort(new Error("the body was not read to its end"))
  })
}
