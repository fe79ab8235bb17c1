/**
 * S3, as strict as Amazon's: it refuses a wrong signature, a wrong checksum, a second object under `If-None-Match: *`, an upload that
 * it does not know, and parts that are too small, missing or out of order. Its signatures are computed with `node:crypto` from the
 * request as it came over the wire, so that they share nothing with what is tested.
 */
import { createHash, createHmac } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { listen } from "./loopbackServer.ts"

export const keys = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" }
export const region = "eu-central-1"
export const bucket = "results"

interface StoredObject {
  readonly bytes: Buffer
  readonly etag: string
  readonly metadata: Record<string, string>
}

interface Part {
  readonly bytes: Buffer
  readonly etag: string
  readonly checksum: string
}

interface Upload {
  readonly key: string
  readonly metadata: Record<string, string>
  readonly parts: Map<number, Part>
}

interface Call {
  readonly method: string
  readonly key: string
  readonly rawPath: string
  readonly query: URLSearchParams
  readonly headers: Record<string, string>
  readonly bytes: Buffer
}

class S3Error {
  readonly status: number
  readonly code: string
  constructor(status: number, code: string) {
    this.status = status
    this.code = code
  }
}

type Reply = { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string | Buffer }

const hash = (bytes: Buffer | string, encoding: "hex" | "base64", algorithm = "sha256") =>
  createHash(algorithm).update(bytes).digest(encoding)

const hmac = (key: Buffer | string, text: string) => createHmac("sha256", key).update(text).digest()

const etagOf = (bytes: Buffer) => `"${hash(bytes, "hex", "md5")}"`

/** Why the signature of a call is not accepted. */
const problemOfSignature = ({ bytes, headers, method, query, rawPath }: Call, now: number): S3Error | undefined => {
  const { authorization = "" } = headers
  const [, id, day, where, names = "", signature] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      authorization,
    ) ?? []
  if (id === undefined) return new S3Error(403, "AccessDenied")
  if (id !== keys.accessKeyId) return new S3Error(403, "InvalidAccessKeyId")
  if (where !== region) return new S3Error(400, "AuthorizationHeaderMalformed")
  const stamp = headers["x-amz-date"] ?? ""
  const at = Date.parse(stamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"))
  if (!stamp.startsWith(day ?? "-") || !(Math.abs(now - at) < 900_000)) return new S3Error(403, "RequestTimeTooSkewed")
  const signed = names.split(";")
  const mustBeSigned = Object.keys(headers).filter((name) => name === "host" || name.startsWith("x-amz-"))
  if (mustBeSigned.some((name) => !signed.includes(name))) return new S3Error(403, "AccessDenied")
  const pairs = [...query].map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
  const canonical = [
    method,
    rawPath,
    pairs.toSorted().join("&"),
    ...signed.map((name) => `${name}:${headers[name] ?? ""}`),
    "",
    names,
    headers["x-amz-content-sha256"] ?? "",
  ].join("\n")
  const scope = `${day}/${region}/s3/aws4_request`
  const key = [day ?? "", region, "s3", "aws4_request"].reduce<Buffer>(
    (key, part) => hmac(key, part),
    Buffer.from(`AWS4${keys.secretAccessKey}`),
  )
  const text = ["AWS4-HMAC-SHA256", stamp, scope, hash(canonical, "hex")].join("\n")
  if (hmac(key, text).toString("hex") !== signature) return new S3Error(403, "SignatureDoesNotMatch")
  return headers["x-amz-content-sha256"] === hash(bytes, "hex")
    ? undefined
    : new S3Error(400, "XAmzContentSHA256Mismatch")
}

const problemOfChecksum = ({ bytes, headers }: Call): S3Error | undefined => {
  const md5 = headers["content-md5"]
  if (md5 !== undefined && md5 !== hash(bytes, "base64", "md5")) return new S3Error(400, "BadDigest")
  const sha256 = headers["x-amz-checksum-sha256"]
  return sha256 === undefined || sha256 === hash(bytes, "base64") ? undefined : new S3Error(400, "BadDigest")
}

const metadataOf = ({ headers }: Call) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith("x-amz-meta-")))

/** In bytes: every part but the last one has at least as many. */
export const smallestPart = 5 * 1024 * 1024

export class S3 {
  readonly objects = new Map<string, StoredObject>()
  readonly uploads = new Map<string, Upload>()
  readonly calls: Array<Call> = []
  private readonly smallest: number
  private nextUpload = 0

  constructor(smallest: number) {
    this.smallest = smallest
  }

  reply(call: Call, now: number): Reply | S3Error {
    const problem = problemOfSignature(call, now) ?? problemOfChecksum(call)
    if (problem !== undefined) return problem
    if (!call.rawPath.startsWith(`/${bucket}/`)) return new S3Error(404, "NoSuchBucket")
    const id = call.query.get("uploadId")
    if (call.method === "POST" && call.query.has("uploads")) return this.begin(call)
    if (id === null) return call.method === "PUT" ? this.put(call) : this.get(call)
    const upload = this.uploads.get(id)
    if (upload === undefined || upload.key !== call.key) return new S3Error(404, "NoSuchUpload")
    if (call.method === "PUT") return this.part(call, upload)
    if (call.method === "POST") return this.complete(call, upload, id)
    this.uploads.delete(id)
    return { status: 204 }
  }

  private put(call: Call): Reply | S3Error {
    if (call.headers["if-none-match"] === "*" && this.objects.has(call.key))
      return new S3Error(412, "PreconditionFailed")
    const etag = etagOf(call.bytes)
    this.objects.set(call.key, { bytes: call.bytes, etag, metadata: metadataOf(call) })
    return { status: 200, headers: { etag } }
  }

  private get({ headers, key }: Call): Reply | S3Error {
    const object = this.objects.get(key)
    if (object === undefined) return new S3Error(404, "NoSuchKey")
    const { bytes, etag, metadata } = object
    if (headers["if-match"] !== undefined && headers["if-match"] !== etag) return new S3Error(412, "PreconditionFailed")
    const [, start, last] = /^bytes=(\d+)-(\d+)$/.exec(headers["range"] ?? "") ?? []
    if (start === undefined) return { status: 200, headers: { etag, ...metadata }, body: bytes }
    if (Number(start) >= bytes.length) return new S3Error(416, "InvalidRange")
    const part = bytes.subarray(Number(start), Number(last) + 1)
    const range = `bytes ${start}-${Number(start) + part.length - 1}/${bytes.length}`
    return { status: 206, headers: { etag, "content-range": range, ...metadata }, body: part }
  }

  private begin(call: Call): Reply | S3Error {
    if (call.headers["x-amz-checksum-algorithm"] !== "SHA256") return new S3Error(400, "InvalidRequest")
    const id = `upload&${this.nextUpload++}+/=`
    this.uploads.set(id, { key: call.key, metadata: metadataOf(call), parts: new Map() })
    const body = `<?xml version="1.0"?>\n<InitiateMultipartUploadResult><Key>${call.key}</Key><UploadId>${id.replaceAll("&", "&amp;")}</UploadId></InitiateMultipartUploadResult>`
    return { status: 200, body }
  }

  private part({ bytes, headers, query }: Call, { parts }: Upload): Reply | S3Error {
    const number = Number(query.get("partNumber"))
    const checksum = headers["x-amz-checksum-sha256"]
    if (!(number >= 1 && number <= 10_000)) return new S3Error(400, "InvalidArgument")
    if (checksum === undefined) return new S3Error(400, "InvalidRequest")
    const etag = etagOf(bytes)
    parts.set(number, { bytes, etag, checksum })
    return { status: 200, headers: { etag } }
  }

  private complete(call: Call, { key, metadata, parts }: Upload, id: string): Reply | S3Error {
    const named = [...call.bytes.toString().matchAll(/<Part>(.*?)<\/Part>/g)].map(([, part = ""]) => ({
      number: Number(/<PartNumber>(\d+)</.exec(part)?.[1]),
      etag: (/<ETag>([^<]*)</.exec(part)?.[1] ?? "").replaceAll("&quot;", '"'),
      checksum: /<ChecksumSHA256>([^<]*)</.exec(part)?.[1],
    }))
    if (named.length === 0) return new S3Error(400, "MalformedXML")
    if (named.some(({ number }, i) => i > 0 && number <= (named[i - 1]?.number ?? 0)))
      return new S3Error(400, "InvalidPartOrder")
    const found = named.map(({ checksum, etag, number }) => {
      const part = parts.get(number)
      return part?.etag === etag && part.checksum === checksum ? part : undefined
    })
    if (found.includes(undefined)) return new S3Error(400, "InvalidPart")
    const whole = found.filter((part) => part !== undefined)
    if (whole.slice(0, -1).some(({ bytes }) => bytes.length < this.smallest)) return new S3Error(400, "EntityTooSmall")
    if (call.headers["if-none-match"] === "*" && this.objects.has(key)) return new S3Error(412, "PreconditionFailed")
    const bytes = Buffer.concat(whole.map(({ bytes }) => bytes))
    const md5s = Buffer.concat(whole.map(({ bytes }) => createHash("md5").update(bytes).digest()))
    this.objects.set(key, { bytes, etag: `"${hash(md5s, "hex", "md5")}-${whole.length}"`, metadata })
    this.uploads.delete(id)
    return { status: 200, body: `<CompleteMultipartUploadResult><Key>${key}</Key></CompleteMultipartUploadResult>` }
  }
}

const send = ({ method }: Call, reply: Reply | S3Error, response: ServerResponse) => {
  const isHead = method === "HEAD"
  if (reply instanceof S3Error) {
    const { code, status } = reply
    const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>it says &quot;no&quot;</Message></Error>`
    response.writeHead(status, isHead ? {} : { "content-type": "application/xml" }).end(isHead ? undefined : body)
    return
  }
  const body = Buffer.from(reply.body ?? "")
  response.writeHead(reply.status, { "content-length": body.length, ...reply.headers }).end(isHead ? undefined : body)
}

const callOf = (request: IncomingMessage, bytes: Buffer): Call => {
  const [rawPath = "", query = ""] = (request.url ?? "").split("?")
  return {
    method: request.method ?? "",
    key: decodeURIComponent(rawPath.replace(/^\/[^/]*\//, "")),
    rawPath,
    query: new URLSearchParams(query),
    headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
    bytes,
  }
}

/** Serves a bucket on a free port. A test of many uploads passes a smaller limit than Amazon's, and has smaller parts. */
export const serveS3 = Effect.fnUntraced(function* (smallest = smallestPart) {
  const s3 = new S3(smallest)
  const endpoint = yield* listen((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const call = callOf(request, Buffer.concat(chunks))
      s3.calls.push(call)
      send(call, s3.reply(call, DateTime.toEpochMillis(DateTime.nowUnsafe())), response)
    })
  })
  return { s3, endpoint }
})
