/** The checksum of gzip and zip (CRC-32 of RFC 1952). */

const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  let crc = n
  for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})

/** The checksum of some bytes and of these after them. It starts at 0. */
export const addCrc = (crc: number, bytes: Uint8Array): number => {
  let sum = ~crc
  for (let i = 0; i < bytes.length; i++) sum = (crcTable[(sum ^ (bytes[i] ?? 0)) & 255] ?? 0) ^ (sum >>> 8)
  return ~sum
}
