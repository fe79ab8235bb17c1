/**
 * Results to download: of every kind there is, and the same in every run.
 */
import { createCipheriv } from "node:crypto"
import { gzipSync } from "node:zlib"
import type { Result } from "./ReferenceServer.ts"

/** The id of the `n`-th machine action. */
export const action = (n: number): string => `988cc94e-7a8f-4b28-ab65-${n.toString(16).padStart(12, "0")}`

/** Bytes without order, which no two seeds have in common. */
export const noise = (length: number, seed = 0): Uint8Array => {
  const iv = Buffer.alloc(16)
  iv.writeUInt32BE(seed)
  return createCipheriv("aes-256-ctr", Buffer.alloc(32), iv).update(Buffer.alloc(length))
}

/** A script's result as in Microsoft's own example, which is not quite JSON: a line feed and NULs in a string. */
export const script = (n: number): Uint8Array =>
  Buffer.from(
    `{"script_name":"collect-${n}.ps1","exit_code":0,"script_output":"Höst WS-${n}\nC:\\\\x.zip\\u0000","script_errors":""}`,
  )

export interface Sample {
  readonly target: string
  /** Where it is to be, relative to the directory of results. */
  readonly path: string
  readonly bytes: Uint8Array
}

const kinds: ReadonlyArray<(n: number) => readonly [extension: string, bytes: Uint8Array]> = [
  (n) => ["json", script(n)],
  (n) => ["gz", gzipSync(noise(1000 + n * 997, n))],
  (n) => ["bin", Buffer.concat([Buffer.from("MZ"), noise(500 + n * 1501, n)])],
  (n) => ["json", Buffer.from(`\uFEFF {"script_name":"bom-${n}.ps1"}`)],
]

/** Six commands a machine action, as a session has them. */
const commands = 6

/** So many results. The first is empty, the second has 5 MB. */
export const samples = (count: number): ReadonlyArray<Sample> =>
  Array.from({ length: count }, (_, n) => {
    const id = action(Math.floor(n / commands))
    const index = n % commands
    const [extension, bytes] =
      n === 0
        ? ["bin", new Uint8Array()]
        : n === 1
          ? ["bin", noise(5_000_000, n)]
          : (kinds[n % kinds.length]?.(n) ?? ["bin", noise(1, n)])
    return { target: `${id}:${index}`, path: `${id}/${index}.${extension}`, bytes }
  })

/** The samples as a server has them. */
export const resultsOf = (samples: ReadonlyArray<Sample>): Readonly<Record<string, Result>> =>
  Object.fromEntries(samples.map(({ bytes, target }) => [target, { bytes }]))
