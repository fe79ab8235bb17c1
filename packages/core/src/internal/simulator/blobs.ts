/** The blob storage of the simulator: what was put there, behind links that die. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import type { Fault, GeneratedContent, Result } from "../../testing/Simulator.ts"
import * as Md5 from "../md5.ts"
import { randomHex } from "../randomHex.ts"
import { storageError } from "./errors.ts"

export interface Blob {
  readonly result: Result
  readonly content: GeneratedContent
  readonly path: string
  readonly etag: string
  /** Known once it was asked for. */
  readonly md5: Effect.Effect<string>
  readonly linkFaults: Array<Fault>
  readonly blobFaults: Array<Fault>
}

/** Whether a path is the storage's. */
export const isBlob = (path: string): boolean => path.startsWith(root)

const root = "/investigation-actions-data/"

export const make = (linkLifetime: number) => {
  const blobs = new Map<string, Blob>()
  const blobsByPath = new Map<string, Blob>()
  const signatures = new Map<string, { readonly path: string; readonly expires: number }>()

  return {
    find: (id: string, index: number): Blob | undefined => blobs.get(`${id}:${index}`),

    add: Effect.fnUntraced(function* (id: string, index: number, result: Result) {
      const content = generated(result.content)
      const blob: Blob = {
        result,
        content,
        path: `${root}${id}/CustomPlaybookCommandOutput/${yield* randomHex(32)}`,
        etag: `"0x${(yield* randomHex(15)).toUpperCase()}"`,
        md5: yield* Effect.cached(md5Of(content)),
        linkFaults: [...(result.linkFaults ?? [])],
        blobFaults: [...(result.blobFaults ?? [])],
      }
      blobs.set(`${id}:${index}`, blob)
      blobsByPath.set(blob.path, blob)
      return blob
    }),

    link: Effect.fnUntraced(function* (blob: Blob, origin: string, now: number) {
      const expires = now + linkLifetime
      const signature = `${yield* randomHex(20)}/${yield* randomHex(20)}=`
      signatures.set(signature, { path: blob.path, expires })
      const se = encodeURIComponent(DateTime.formatIso(DateTime.makeUnsafe(expires)).replace(/\.\d+Z$/, "Z"))
      return `${origin}${blob.path}?se=${se}&sp=r&sv=2019-07-07&sr=b&sig=${signature.replace("=", "%3D")}`
    }),

    serve: Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest, url: URL, now: number) {
      const signature = signatures.get(url.searchParams.get("sig") ?? "")
      const blob = blobsByPath.get(url.pathname)
      const fault = blob?.blobFaults.shift()
      if (request.headers.authorization !== undefined) return storageError(400, "InvalidAuthenticationInfo")
      if (
        signature === undefined ||
        signature.path !== url.pathname ||
        signature.expires <= now ||
        fault?.fault === "expire"
      ) {
        return storageError(403, "AuthenticationFailed", "Signature not valid in the specified time frame")
      }
      if (blob === undefined) return storageError(404, "BlobNotFound")
      if (fault?.fault === "status") return storageError(fault.status, fault.code ?? "InternalError")

      const { content } = blob
      const condition = request.headers["if-match"]
      if (condition !== undefined && condition !== blob.etag) return storageError(412, "ConditionNotMet")
      const range = fault?.fault === "ignoreRange" ? undefined : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "")
      const start = Number(range?.[1] ?? 0)
      const end = Math.min(content.length, range?.[2] ? Number(range[2]) + 1 : content.length)
      if (range && start >= content.length) return storageError(416, "InvalidRange")

      const headers = {
        etag: blob.etag,
        "accept-ranges": "bytes",
        "x-ms-request-id": "00000000-0000-0000-0000-000000000000",
        ...(range ? { "content-range": `bytes ${start}-${end - 1}/${content.length}` } : {}),
        ...(blob.result.md5 === false ? {} : { [range ? "x-ms-blob-content-md5" : "content-md5"]: yield* blob.md5 }),
      }
      return HttpServerResponse.stream(body(content, start, end, fault), {
        status: range ? 206 : 200,
        contentLength: end - start,
        contentType: "application/octet-stream",
        headers,
      })
    }),
  }
}

/** Small enough that a fault in the middle is in the middle. */
const pieceLength = 16 * 1024

/** Bytes that are there are read as those are that are generated. */
const generated = (content: Uint8Array | GeneratedContent): GeneratedContent =>
  content instanceof Uint8Array
    ? { length: content.length, read: (start, end) => pieces(content.subarray(start, end)) }
    : content

const pieces = (bytes: Uint8Array): Stream.Stream<Uint8Array> =>
  Stream.fromIterable(
    Array.from({ length: Math.ceil(bytes.length / pieceLength) }, (_, i) =>
      bytes.subarray(i * pieceLength, (i + 1) * pieceLength),
    ),
  )

const md5Of = ({ length, read }: GeneratedContent): Effect.Effect<string> =>
  Stream.runFold(read(0, length), Md5.make, (hash, bytes) => {
    hash.update(bytes)
    return hash
  }).pipe(Effect.map((hash) => Base64.encode(hash.digest())))

const body = (
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
