/**
 * Answers requests for blobs as Azure does.
 *
 * @see https://learn.microsoft.com/en-us/rest/api/storageservices/get-blob
 * @see https://learn.microsoft.com/en-us/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations
 * @see https://learn.microsoft.com/en-us/rest/api/storageservices/specifying-the-range-header-for-blob-service-operations
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { randomHex } from "../randomHex.ts"
import { type Blob, type Blobs, isSigned, md5Of } from "./blobs.ts"
import { storageError } from "./errors.ts"
import { broken, type Faults, next } from "./faults.ts"
import type { Fault, GeneratedContent } from "./inputs.ts"

type Request = HttpServerRequest.HttpServerRequest

/** The headers of every answer. */
const commonHeaders = Effect.fnUntraced(function* ({ headers }: Request, url: URL) {
  const clientRequestId = headers["x-ms-client-request-id"]
  return {
    server: "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0",
    "x-ms-request-id": (yield* randomHex(32)).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"),
    "x-ms-version": headers["x-ms-version"] ?? url.searchParams.get("sv") ?? "2019-07-07",
    ...(clientRequestId === undefined ? {} : { "x-ms-client-request-id": clientRequestId }),
  }
})

/** A link permits reading alone. Writing lacks the permission, and the storage knows no other method. */
const methodProblem = (method: string) => {
  if (method === "GET" || method === "HEAD") return undefined
  return method === "PUT" || method === "DELETE"
    ? storageError(403, "AuthorizationPermissionMismatch")
    : storageError(405, "UnsupportedHttpVerb")
}

const isListed = (list: string, etag: string): boolean =>
  list.split(",").some((tag) => tag.trim() === "*" || tag.trim() === etag)

/** Whether the blob was modified after the time in a header, in seconds. A header that is not a time counts as absent. */
const isModifiedSince = ({ modifiedAt }: Blob, time: string): boolean | undefined => {
  const since = Date.parse(time)
  return Number.isNaN(since) ? undefined : Math.floor(modifiedAt / 1000) > Math.floor(since / 1000)
}

/** The answer in place of the content, where a condition of the request does not hold. */
const conditionProblem = ({ headers }: Request, blob: Blob) => {
  const [match, noneMatch] = [headers["if-match"], headers["if-none-match"]]
  const [modified, unmodified] = [headers["if-modified-since"], headers["if-unmodified-since"]]
  const isStale =
    (match !== undefined && !isListed(match, blob.etag)) ||
    (unmodified !== undefined && isModifiedSince(blob, unmodified) === true)
  if (isStale) return storageError(412, "ConditionNotMet")
  const isKnown =
    noneMatch === undefined
      ? modified !== undefined && isModifiedSince(blob, modified) === false
      : isListed(noneMatch, blob.etag)
  return isKnown
    ? HttpServerResponse.empty({ status: 304, headers: { etag: blob.etag, "x-ms-error-code": "ConditionNotMet" } })
    : undefined
}

interface Range {
  readonly start: number
  readonly end: number
}

/**
 * The range that a request asks for: nothing for the whole blob. `x-ms-range` goes before `Range`, of which what the storage
 * can't read is as good as absent.
 */
const rangeOf = ({ headers, method }: Request, { length }: GeneratedContent) => {
  if (method === "HEAD") return undefined
  const own = headers["x-ms-range"]
  const [, first, last = ""] = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(own ?? headers["range"] ?? "") ?? []
  if (first === undefined) return own === undefined ? undefined : storageError(400, "InvalidHeaderValue")
  const [start, end] = [Number(first), last === "" ? length : Math.min(length, Number(last) + 1)]
  if (start < end) return { start, end }
  return HttpServerResponse.setHeader(storageError(416, "InvalidRange"), "content-range", `bytes */${length}`)
}

/** The largest range of which the storage computes the MD5. */
const largestHashedRange = 4 * 1024 * 1024

const hashesOf = Effect.fnUntraced(function* ({ headers }: Request, { content, md5 }: Blob, range: Range | undefined) {
  const hash = yield* md5
  const ofWhole = hash === undefined ? {} : { [range === undefined ? "content-md5" : "x-ms-blob-content-md5"]: hash }
  if (range === undefined || headers["x-ms-range-get-content-md5"]?.toLowerCase() !== "true") return ofWhole
  if (range.end - range.start > largestHashedRange) return storageError(400, "OutOfRangeInput")
  return { ...ofWhole, "content-md5": yield* md5Of(content.read(range.start, range.end)) }
})

/** A name in both forms of RFC 6266. */
const dispositionOf = (fileName: string): string =>
  `attachment; filename="${fileName.replaceAll(/[^ -~]|["\\]/g, "_")}"; filename*=UTF-8''${encodeURIComponent(fileName)}`

const httpDate = (millis: number) => DateTime.toDateUtc(DateTime.makeUnsafe(millis)).toUTCString()

const propertiesOf = ({ content, etag, fileName, modifiedAt }: Blob, range: Range | undefined) => ({
  etag,
  "last-modified": httpDate(modifiedAt),
  "accept-ranges": "bytes",
  "x-ms-blob-type": "BlockBlob",
  "x-ms-creation-time": httpDate(modifiedAt),
  "x-ms-lease-state": "available",
  "x-ms-lease-status": "unlocked",
  "x-ms-server-encrypted": "true",
  ...(range === undefined ? {} : { "content-range": `bytes ${range.start}-${range.end - 1}/${content.length}` }),
  ...(fileName === undefined ? {} : { "content-disposition": dispositionOf(fileName) }),
})

/** The content of a blob, or the requested range of it. */
const contentAnswer = Effect.fnUntraced(function* (request: Request, blob: Blob, fault: Fault | undefined) {
  const { content } = blob
  const range = fault?.fault === "ignoreRange" ? undefined : rangeOf(request, content)
  if (HttpServerResponse.isHttpServerResponse(range)) return range
  const hashes = yield* hashesOf(request, blob, range)
  if (HttpServerResponse.isHttpServerResponse(hashes)) return hashes
  const { end, start } = range ?? { start: 0, end: content.length }
  const headers = { ...propertiesOf(blob, range), ...hashes }
  const [contentLength, contentType] = [end - start, "application/octet-stream"]
  if (request.method === "HEAD") {
    return HttpServerResponse.empty({
      status: 200,
      headers: { ...headers, "content-length": String(contentLength), "content-type": contentType },
    })
  }
  const status = range === undefined ? 200 : 206
  const bytes = broken((length) => content.read(start, Math.min(end, start + length)), fault)
  return HttpServerResponse.stream(bytes ?? content.read(start, end), { status, contentLength, contentType, headers })
})

const answer = Effect.fnUntraced(function* (self: Blobs, faults: Faults, request: Request, url: URL, now: number) {
  const blob = self.byPath.get(url.pathname)
  const fault = blob?.blobFaults.shift() ?? next(faults, "blob")
  if (request.headers["authorization"] !== undefined) return storageError(400, "InvalidAuthenticationInfo")
  if (fault?.fault === "expire" || !isSigned(self, url, now)) {
    return storageError(403, "AuthenticationFailed", "Signature not valid in the specified time frame")
  }
  const problem = methodProblem(request.method)
  if (problem !== undefined) return problem
  if (blob === undefined) return storageError(404, "BlobNotFound")
  if (fault?.fault === "status") return storageError(fault.status, fault.code ?? "InternalError")
  return conditionProblem(request, blob) ?? (yield* contentAnswer(request, blob, fault))
})

/** Answers a request for a blob. */
export const serve = Effect.fnUntraced(function* (
  self: Blobs,
  faults: Faults,
  request: Request,
  url: URL,
  now: number,
) {
  const headers = yield* commonHeaders(request, url)
  return HttpServerResponse.setHeaders(yield* answer(self, faults, request, url, now), headers)
})
