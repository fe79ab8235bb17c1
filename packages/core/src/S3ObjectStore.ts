/**
 * An object store in Amazon S3, or in a service with the same API, over any `HttpClient`.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Exit from "effect/Exit"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as AwsSignature from "./AwsSignature.ts"
import type { CredentialError } from "./CredentialError.ts"
import { Hasher } from "./Hasher.ts"
import { sha256 } from "./internal/hmac.ts"
import * as ObjectInfo from "./internal/objectInfo.ts"
import * as ObjectRanges from "./internal/objectRanges.ts"
import * as ObjectRequest from "./internal/objectRequest.ts"
import * as ObjectUpload from "./internal/objectUpload.ts"
import { withoutEnd } from "./internal/text.ts"
import * as ObjectStore from "./ObjectStore.ts"
import { ObjectStoreError, Unavailable, Unexpected } from "./ObjectStoreError.ts"

/**
 * Where keys come from. `current` is evaluated for each request, so it caches what it asks for.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeySource {
  readonly current: Effect.Effect<AwsSignature.Keys, CredentialError>

  /** Drops keys that the service called expired. The request is sent once more with the next ones. */
  readonly invalidate?: Effect.Effect<void> | undefined
}

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly bucket: string

  /** Such as `eu-central-1`. Services other than Amazon's often call it `us-east-1`. */
  readonly region: string

  readonly keys: KeySource

  /** The beginning of the names of all objects. By default none. */
  readonly prefix?: string | undefined

  /** The address of a service other than Amazon's, as `https://s3.example.com`. The bucket is in the path then. */
  readonly endpoint?: string | undefined

  /** In bytes: the size of a part, by default 8 MiB, and at least 5 MiB. A smaller file is stored with one request. */
  readonly partSize?: number | undefined
}

/** @see https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const mostParts = 10_000

const defaultPartSize = 8 * 1024 * 1024

const type = { "content-type": "application/octet-stream" }

/** Codes of errors with statuses of refusals that pass: bytes that were damaged, and requests that met another one. */
const transient = new Set([
  "BadDigest",
  "XAmzContentSHA256Mismatch",
  "XAmzContentChecksumMismatch",
  "RequestTimeout",
  "OperationAborted",
  "SlowDown",
  "InternalError",
])

/** The parts are gone, or another upload of this name was completed meanwhile: all of it is sent again. */
const startsOver = new Set(["NoSuchUpload", "ConditionalRequestConflict"])

const isOk = ({ code, status }: ObjectRequest.Answer) => status === 200 && code === undefined

/** An object is stored. What a gateway says in place of the store does not have the mark of its answer, and is not empty. */
const isStored = (answer: ObjectRequest.Answer, hasMark: boolean) =>
  isOk(answer) && (hasMark || answer.text.trim() === "")

/** `If-None-Match: *` was not fulfilled. */
const isTaken = ({ status }: ObjectRequest.Answer) => status === 412

const outcomeOf = (answer: ObjectRequest.Answer) => (isTaken(answer) ? ("exists" as const) : ("stored" as const))

const sha256Header = "x-amz-meta-sha256"

/** Where a bucket is. A name with a dot has no certificate as a host. */
const locate = ({ bucket, endpoint, region }: Options) => {
  if (endpoint !== undefined) return { base: withoutEnd(endpoint, "/"), root: `/${bucket}` }
  return bucket.includes(".")
    ? { base: `https://s3.${region}.amazonaws.com`, root: `/${bucket}` }
    : { base: `https://${bucket}.s3.${region}.amazonaws.com`, root: "" }
}

const checksumOf = (startHash: ObjectUpload.Creator["startHash"], bytes: Uint8Array): string =>
  Base64.encode(sha256(startHash, bytes))

/** Creates an object with one request. */
const createWhole = <E, R>(creator: ObjectUpload.Creator, path: string, content: ObjectStore.Content<E, R>) =>
  creator.uploads.whole(
    content,
    Effect.fnUntraced(function* (bytes, whole) {
      yield* creator.check(path, content, whole)
      const headers = {
        ...type,
        "if-none-match": "*",
        "content-md5": whole.md5,
        "x-amz-checksum-sha256": checksumOf(creator.startHash, bytes),
        [sha256Header]: content.sha256,
      }
      const request = { ...creator.requestOf(path), method: "PUT" as const, body: bytes, headers }
      return outcomeOf(
        yield* creator.client.send(
          request,
          (answer) => isStored(answer, answer.headers["etag"] !== undefined) || isTaken(answer),
        ),
      )
    }),
  )

/** An upload in parts. */
interface Multipart {
  readonly id: string
  readonly path: string
}

const begin = Effect.fnUntraced(function* ({ client, requestOf }: ObjectUpload.Creator, path: string, sha256: string) {
  const headers = { ...type, "x-amz-checksum-algorithm": "SHA256", [sha256Header]: sha256 }
  const answer = yield* client.send({ ...requestOf(path), method: "POST", query: { uploads: "" }, headers }, isOk)
  const id = ObjectRequest.unescapeXml(ObjectRequest.elementOf(answer.text, "UploadId") ?? "")
  if (id !== "") return { id, path } satisfies Multipart
  return yield* ObjectStore.failed(client.address, path, new Unexpected({ description: "an upload without an id" }))
})

/** Sends one part, whose SHA-256 the service compares, and returns how the completion names it. */
const sendPart = Effect.fnUntraced(function* (
  { client, requestOf, startHash }: ObjectUpload.Creator,
  { id, path }: Multipart,
  { bytes, index }: ObjectUpload.Block,
) {
  const checksum = checksumOf(startHash, bytes)
  const query = { partNumber: String(index + 1), uploadId: id }
  const headers = { ...type, "x-amz-checksum-sha256": checksum }
  const { headers: answered } = yield* client.send(
    { ...requestOf(path), method: "PUT", query, body: bytes, headers },
    isOk,
  )
  const etag = (answered["etag"] ?? "").replaceAll('"', "&quot;")
  return `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag><ChecksumSHA256>${checksum}</ChecksumSHA256></Part>`
})

const complete = Effect.fnUntraced(function* (
  { client, requestOf }: ObjectUpload.Creator,
  { id, path }: Multipart,
  parts: ReadonlyArray<string>,
) {
  const list = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join("")}</CompleteMultipartUpload>`
  const request = {
    ...requestOf(path),
    method: "POST" as const,
    query: { uploadId: id },
    headers: { "content-type": "application/xml", "if-none-match": "*" },
    body: new TextEncoder().encode(list),
  }
  const answer = yield* client.send(
    request,
    (answer) =>
      isStored(answer, answer.text.includes("CompleteMultipartUploadResult")) ||
      isTaken(answer) ||
      startsOver.has(answer.code ?? ""),
  )
  const { code = "", status } = answer
  if (!startsOver.has(code)) return outcomeOf(answer)
  // The answer to a completion may have been lost: then the object is there.
  if (Option.isSome(yield* ObjectInfo.find(client, requestOf(path), sha256Header))) return "exists" as const
  return yield* ObjectStore.failed(client.address, path, new Unavailable({ status, code }))
})

/** The parts of an upload that is not completed cost money until they are removed. */
const abort = ({ client, requestOf }: ObjectUpload.Creator, { id, path }: Multipart) =>
  client
    .send(
      { ...requestOf(path), method: "DELETE", query: { uploadId: id } },
      ({ status }) => status === 204 || status === 404,
    )
    .pipe(Effect.timeoutOption("5 seconds"), Effect.ignore)

/** Creates an object of parts. */
const createOfParts = <E, R>(creator: ObjectUpload.Creator, path: string, content: ObjectStore.Content<E, R>) =>
  Effect.acquireUseRelease(
    begin(creator, path, content.sha256),
    Effect.fnUntraced(function* (upload) {
      const { sent, whole } = yield* creator.uploads.blocks(content, (block) => sendPart(creator, upload, block))
      yield* creator.check(path, content, whole)
      return yield* complete(creator, upload, sent)
    }),
    (upload, exit) => (Exit.isSuccess(exit) && exit.value === "stored" ? Effect.void : abort(creator, upload)),
  )

const isToStartOver = (error: unknown) =>
  error instanceof ObjectStoreError && error.reason._tag === "Unavailable" && startsOver.has(error.reason.code ?? "")

const make = Effect.fnUntraced(function* (options: Options) {
  const { keys, partSize = defaultPartSize, prefix = "", region } = options
  const { base, root } = locate(options)
  const { host, pathname } = new URL(base)
  const startHash = yield* Hasher
  const address = ObjectStore.join(`${base}${root}`, prefix)
  const client = yield* ObjectRequest.make({
    address,
    isTransient: (code) => transient.has(code),
    // The answer to a HEAD has no body, and so no code.
    refusesCredential: ({ code, status }) => code === "ExpiredToken" || (status === 400 && code === undefined),
    sign: Effect.fnUntraced(function* (request) {
      const current = yield* keys.current
      const signed = AwsSignature.signedHeaders(startHash, current, region, { ...request, host }, yield* DateTime.now)
      const query = AwsSignature.encodedQuery(request.query)
      return {
        url: `${new URL(base).origin}${AwsSignature.encodedPath(request.pathname)}${query === "" ? "" : `?${query}`}`,
        headers: signed,
        secrets: [current.secretAccessKey, ...(current.sessionToken === undefined ? [] : [current.sessionToken])],
        ...(keys.invalidate === undefined ? {} : { refused: keys.invalidate }),
      }
    }),
  })
  const requestOf = (path: string) => ({
    object: path,
    pathname: `${withoutEnd(pathname, "/")}${root}/${ObjectStore.join(prefix, path)}`,
  })
  const creator: ObjectUpload.Creator = {
    client,
    requestOf,
    check: (path, content, found) => ObjectStore.checkContent(address, path, content, found),
    uploads: yield* ObjectUpload.make({ blockSize: partSize, mostBlocks: mostParts }),
    startHash,
  }
  return yield* ObjectStore.make({
    address,
    create: (path, content) =>
      content.bytes <= partSize
        ? createWhole(creator, path, content)
        : Effect.retry(createOfParts(creator, path, content), { times: 3, while: isToStartOver }),
    info: (path) => ObjectInfo.find(client, requestOf(path), sha256Header),
    read: (path) => ObjectRanges.read(client, address, { ...requestOf(path), method: "GET" }),
  })
})

/**
 * Stores objects in a bucket.
 *
 * **Details**
 *
 * - An object is created with `If-None-Match: *`, so that the service itself refuses a second one. Its metadata has `sha256`.
 * - A file of at most a part (8 MiB) is one request. A larger one is a multipart upload, three parts at once, completed when its
 *   SHA-256 was compared. The service compares the SHA-256 of each request. Parts are larger where 10,000 would not be enough, above
 *   78 GiB.
 * - All uploads of a store have 64 MiB in memory together, or what one upload of more than 156 GiB needs.
 * - While the service is away, in trouble or throttles, requests are repeated as `Timing.objectStore` says.
 *
 * **Gotchas**
 *
 * - The identity needs `s3:PutObject`, `s3:GetObject`, `s3:AbortMultipartUpload` and, to see that an object is missing,
 *   `s3:ListBucket`.
 * - A service that ignores `If-None-Match` replaces objects. Amazon's honours it since November 2024.
 * - Give the bucket a rule that aborts incomplete multipart uploads: a program that is killed can't.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<ObjectStore.ObjectStore, never, HttpClient.HttpClient> =>
  Layer.effect(ObjectStore.ObjectStore, make(options))
