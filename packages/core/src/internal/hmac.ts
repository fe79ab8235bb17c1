/** HMAC with SHA-256 (RFC 2104), over the hashes of `Hasher`. */
import type { Algorithm, Hash } from "../Hasher.ts"

type StartHash = (algorithm: Algorithm) => Hash

const blockLength = 64

const utf8 = (text: string) => new TextEncoder().encode(text)

export const sha256 = (startHash: StartHash, data: Uint8Array | string): Uint8Array => {
  const hash = startHash("SHA-256")
  hash.update(typeof data === "string" ? utf8(data) : data)
  return hash.digest()
}

export const hmacSha256 = (startHash: StartHash, key: Uint8Array, text: string): Uint8Array => {
  const block = new Uint8Array(blockLength)
  block.set(key.length > blockLength ? sha256(startHash, key) : key)
  const keyed = (pad: number, data: Uint8Array) => {
    const hash = startHash("SHA-256")
    hash.update(block.map((byte) => byte ^ pad))
    hash.update(data)
    return hash.digest()
  }
  return keyed(0x5c, keyed(0x36, utf8(text)))
}
