/** The part that SHA-256 and MD5 share: 64-byte blocks, a state of 32-bit words, and the length at the end. */
export const make = (options: {
  readonly initial: ReadonlyArray<number>
  readonly littleEndian: boolean
  readonly compress: (state: Uint32Array, block: DataView, offset: number) => void
}) => {
  const { compress, littleEndian } = options
  const state = Uint32Array.from(options.initial)
  /** The bytes after the last complete block. */
  const rest = new Uint8Array(64)
  const restView = new DataView(rest.buffer)
  let restLength = 0
  let length = 0

  const update = (bytes: Uint8Array): void => {
    length += bytes.length
    let offset = 0
    if (restLength > 0) {
      offset = Math.min(64 - restLength, bytes.length)
      rest.set(bytes.subarray(0, offset), restLength)
      restLength += offset
      if (restLength < 64) return
      compress(state, restView, 0)
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (; offset + 64 <= bytes.length; offset += 64) compress(state, view, offset)
    rest.set(bytes.subarray(offset))
    restLength = bytes.length - offset
  }

  const digest = (): Uint8Array => {
    const bits = length * 8
    const padding = new Uint8Array(restLength < 56 ? 64 - restLength : 128 - restLength)
    padding[0] = 0x80
    const view = new DataView(padding.buffer)
    const end = padding.length - 8
    const high = Math.floor(bits / 2 ** 32)
    view.setUint32(end, littleEndian ? bits : high, littleEndian)
    view.setUint32(end + 4, littleEndian ? high : bits, littleEndian)
    update(padding)
    const out = new DataView(new ArrayBuffer(state.length * 4))
    state.forEach((word, i) => out.setUint32(i * 4, word, littleEndian))
    return new Uint8Array(out.buffer)
  }

  return { update, digest }
}
