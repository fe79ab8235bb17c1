/** The blobs of the simulator: results behind signed links that expire. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Stream from "effect/Stream"
import * as Md5 from "../md5.ts"
import { randomHex } from "../randomHex.ts"
import type { Fault, GeneratedContent, Result } from "./inputs.ts"

export interface Blob {
  readonly content: GeneratedContent
  readonly path: string
  readonly etag: string
  /** In milliseconds since 1970. */
  readonly modifiedAt: number
  /** The name of a collected file. */
  readonly fileName: string | undefined
  /** Computed on the first request. Nothing if the storage does not send it. */
  readonly md5: Effect.Effect<string | undefined>
  readonly linkFaults: Array<Fault>
  readonly blobFaults: Array<Fault>
}

export interface Blobs {
  /** How many milliseconds a link is valid. */
  readonly linkLifetime: number
  readonly byResult: Map<string, Blob>
  readonly byPath: Map<string, Blob>
  /** The signatures of links. */
  readonly signatures: Map<string, { readonly path: string; readonly expiresAt: number }>
}

export const make = (linkLifetime: number): Blobs => ({
  linkLifetime,
  byResult: new Map(),
  byPath: new Map(),
  signatures: new Map(),
})

const root = "/investigation-actions-data/"

/** Whether a path belongs to the storage. */
export const isBlobPath = (path: string): boolean => path.startsWith(root)

export const find = (self: Blobs, id: string, index: number): Blob | undefined => self.byResult.get(`${id}:${index}`)

export const add = Effect.fnUntraced(function* (self: Blobs, id: string, index: number, result: Result, now: number) {
  const content = toGenerated(result.content)
  const blob: Blob = {
    content,
    path: `${root}${id}/CustomPlaybookCommandOutput/${yield* randomHex(32)}`,
    etag: `"0x${(yield* randomHex(15)).toUpperCase()}"`,
    modifiedAt: now,
    fileName: result.fileName,
    md5:
      result.md5 === false ? Effect.succeed(undefined) : yield* Effect.cached(md5Of(content.read(0, content.length))),
    linkFaults: [...(result.linkFaults ?? [])],
    blobFaults: [...(result.blobFaults ?? [])],
  }
  self.byResult.set(`${id}:${index}`, blob)
  self.byPath.set(blob.path, blob)
  return blob
})

/** A new link to a blob. */
export const makeLink = Effect.fnUntraced(function* (self: Blobs, blob: Blob, origin: string, now: number) {
  const expiresAt = now + self.linkLifetime
  const signature = `${yield* randomHex(20)}/${yield* randomHex(20)}=`
  self.signatures.set(signature, { path: blob.path, expiresAt })
  const se = encodeURIComponent(DateTime.formatIso(DateTime.makeUnsafe(expiresAt)).replace(/\.\d+Z$/, "Z"))
  return `${origin}${blob.path}?se=${se}&sp=r&sv=2019-07-07&sr=b&sig=${signature.replace("=", "%3D")}`
})

/** Whether a link is one that was issued, for this blob, and has not expired. */
export const isSigned = (self: Blobs, url: URL, now: number): boolean => {
  const signature = self.signatures.get(url.searchParams.get("sig") ?? "")
  return signature !== undefined && signature.path === url.pathname && signature.expiresAt > now
}

/** Small enough that a test can interrupt a body between two chunks. */
const chunkLength = 16 * 1024

/** Bytes in the form of generated content, so that there is one way to serve both. */
const toGenerated = (content: Uint8Array | GeneratedContent): GeneratedContent =>
  content instanceof Uint8Array
    ? { length: content.length, read: (start, end) => chunksOf(content.subarray(start, end)) }
    : content

const chunksOf = (bytes: Uint8Array): Stream.Stream<Uint8Array> =>
  Stream.fromIterable(
    Array.from({ length: Math.ceil(bytes.length / chunkLength) }, (_, i) =>
      bytes.subarray(i * chunkLength, (i + 1) * chunkLength),
    ),
  )

/** In Base64. */
export const md5Of = (bytes: Stream.Stream<Uint8Array>): Effect.Effect<string> =>
  Stream.runFold(bytes, Md5.make, (hash, bytes) => {
    hash.update(bytes)
    return hash
  }).pipe(Effect.map((hash) => Base64.encode(hash.digest())))
