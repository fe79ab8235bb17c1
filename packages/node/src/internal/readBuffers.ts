/** The memory that sockets are read into. */
import type { OnReadOpts, Socket } from "node:net"
import { ReusedBuffers } from "./reusedBuffers.ts"

/** As much as Node reads at once. */
const size = 64 * 1024

export class ReadBuffers {
  private readonly buffers = new ReusedBuffers({ size, mostFree: 64 })
  /** How many bytes the last read wrote into a buffer. */
  private readonly lengths = new WeakMap<ArrayBufferLike, number>()
  /** Buffers without unread bytes, to which undici may still refer until it has finished with the read. */
  private consumed: Array<ArrayBuffer> = []

  /** The option `onread` of a socket. */
  readonly onread: OnReadOpts

  constructor() {
    const { lengths } = this
    this.onread = {
      buffer: () => {
        for (const buffer of this.consumed.splice(0)) this.buffers.giveBack(buffer)
        return new Uint8Array(this.buffers.take())
      },
      /** Node calls it as a method of the socket. */
      callback(this: Socket, length: number, { buffer }: Uint8Array) {
        lengths.set(buffer, length)
        return this.push(Buffer.from(buffer, 0, length))
      },
    }
  }

  /**
   * Reports that these bytes of a body were copied. If they are the last ones of a read, its buffer is used again: a body is
   * parsed from its start to its end, so that nobody reads the bytes before them any more.
   */
  release({ buffer, byteLength, byteOffset }: Uint8Array): void {
    if (this.lengths.get(buffer) !== byteOffset + byteLength || !(buffer instanceof ArrayBuffer)) return
    this.lengths.delete(buffer)
    this.consumed.push(buffer)
  }
}
