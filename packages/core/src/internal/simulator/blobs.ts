/** The blob storage of the simulator: results behind signed links that expire. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import * as Md5 from "../md5.ts"
import { randomHex } from "../randomHex.ts"
import { storageError } from "./errors.ts"
import type { Fault, GeneratedContent, Result } from "./models.ts"

export interface Blob {
  readonly content: GeneratedContent
  readonly path: string
  readonly etag: string
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

export const add = Effect.fnUntraced(function* (self: Blobs, id: string, index: number, result: Result) {
  const content = toGenerated(result.content)
  const blob: Blob = {
    content,
    path: `${root}${id}/CustomPlaybookCommandOutput/${yield* randomHex(32)}`,
    etag: `"0x${(yield* randomHex(15)).toUpperCase()}"`,
    md5: result.md5 === false ? Effect.succeed(undefined) : yield* Effect.cached(md5Of(content)),
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

/** Answers a request for a blob. */
export const serve = Effect.fnUntraced(function* (
  self: Blobs,
  request: HttpServerRequest.HttpServerRequest,
  url: URL,
  now: number,
) {
  const blob = self.byPath.get(url.pathname)
  const fault = blob?.blobFaults.shift()
  if (request.headers.authorization !== undefined) return storageError(400, "InvalidAuthenticationInfo")
  if (fault?.fault === "expire" || !isSigned(self, url, now)) {
    return storageError(403, "AuthenticationFailed", "Signature not valid in the specified time frame")
  }
  if (blob === undefined) return storageError(404, "BlobNotFound")
  if (fault?.fault === "status") return storageError(fault.status, fault.code ?? "InternalError")
  const condition = request.headers["if-match"]
  if (condition !== undefined && condition !== blob.etag) return storageError(412, "ConditionNotMet")
  return yield* contentOf(blob, fault?.fault === "ignoreRange" ? undefined : request.headers.range, fault)
})

const isSigned = (self: Blobs, url: URL, now: number): boolean => {
  const signature = self.signatures.get(url.searchParams.get("sig") ?? "")
  return signature !== undefined && signature.path === url.pathname && signature.expiresAt > now
}

/** The content of a blob, or the requested range of it. */
const contentOf = Effect.fnUntraced(function* (
  { content, etag, md5 }: Blob,
  requested: string | undefined,
  fault: Fault | undefined,
) {
  const range = /^bytes=(\d+)-(\d*)$/.exec(requested ?? "")
  const start = Number(range?.[1] ?? 0)
  const end = Math.min(content.length, range?.[2] ? Number(range[2]) + 1 : content.length)
  if (range && start >= content.length) return storageError(416, "InvalidRange")
  const hash = yield* md5
  return HttpServerResponse.stream(bodyOf(content, start, end, fault), {
    status: range ? 206 : 200,
    contentLength: end - start,
    contentType: "application/octet-stream",
    headers: {
      etag,
      "accept-ranges": "bytes",
      "x-ms-request-id": "00000000-0000-0000-0000-000000000000",
      ...(range ? { "content-range": `bytes ${start}-${end - 1}/${content.length}` } : {}),
      ...(hash === undefined ? {} : { [range ? "x-ms-blob-content-md5" : "content-md5"]: hash }),
    },
  })
})

const bodyOf = (
  { read }: GeneratedContent,
  start: number,
  end: number,
  fault: Fault | undefined,
): Stream.Stream<Uint8Array, string> => {
  switch (fault?.fault) {
    case "cut":
      return Stream.concat(read(start, Math.min(end, start + fault.after)), Stream.fail("cut"))
    case "stall":
      return Stream.concat(read(start, Math.min(end, start + fault.after)), Stream.never)
    default:
      return read(start, end)
  }
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

const md5Of = ({ length, read }: GeneratedContent): Effect.Effect<string> =>
  Stream.runFold(read(0, length), Md5.make, (hash, bytes) => {
    hash.update(bytes)
    return hash
  }).pipe(Effect.map((hash) => Base64.encode(hash.digest())))
