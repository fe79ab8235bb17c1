/**
 * Buffers of one size that are used again and again.
 *
 * Node frees a buffer only when garbage is collected, so that one for each read goes through cold memory: a download costs
 * twice as much.
 */
export class ReusedBuffers {
  private readonly free: Array<ArrayBuffer> = []
  private readonly size: number
  private readonly mostFree: number

  constructor(options: { readonly size: number; readonly mostFree: number }) {
    this.size = options.size
    this.mostFree = options.mostFree
  }

  take(): ArrayBuffer {
    return this.free.pop() ?? new ArrayBuffer(this.size)
  }

  /** Detaches the buffer: an old reference is empty, and never has the bytes of another use. */
  giveBack(buffer: ArrayBuffer): void {
    const memory = buffer.transfer()
    if (this.free.length < this.mostFree) this.free.push(memory)
  }
}
