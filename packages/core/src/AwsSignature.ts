/**
 * Signs requests to S3 (AWS Signature Version 4).
 *
 * It is a module of our own, because `aws4fetch` signs only a `Request` of `fetch`, and this library sends through any `HttpClient`.
 *
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Hex from "effect/encoding/Hex"
import * as Redacted from "effect/Redacted"
import type { Algorithm, Hash } from "./Hasher.ts"
import { hmacSha256, sha256 } from "./internal/hmac.ts"

/**
 * The keys of an identity. Temporary ones have a session token.
 *
 * @since 0.1.0
 * @category models
 */
export interface Keys {
  readonly accessKeyId: string
  readonly secretAccessKey: Redacted.Redacted<string>
  readonly sessionToken?: Redacted.Redacted<string> | undefined
}

/**
 * What is signed. Names of headers are in lower case, and nothing is encoded yet.
 *
 * @since 0.1.0
 * @category models
 */
export interface Signable {
  readonly method: string
  readonly host: string
  readonly pathname: string
  readonly query?: Readonly<Record<string, string>> | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: Uint8Array | undefined
}

type StartHash = (algorithm: Algorithm) => Hash

/** Encodes as AWS does: everything but letters, digits, `-`, `.`, `_` and `~`. */
const encoded = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)

/**
 * The path as it is signed, and must be sent.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encodedPath = (pathname: string): string => pathname.split("/").map(encoded).join("/")

/**
 * The query as it is signed, and must be sent.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encodedQuery = (query: Readonly<Record<string, string>> = {}): string =>
  Object.entries(query)
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .toSorted((a, b) => (a < b ? -1 : 1))
    .join("&")

/** The time as it is signed, such as `20130524T000000Z`. */
const stampOf = (now: DateTime.Utc): string => DateTime.formatIso(now).replaceAll(/[-:]|\.\d+/g, "")

/**
 * All headers that are sent with a request, the signature included, apart from `host`.
 *
 * @since 0.1.0
 * @category signing
 */
export const signedHeaders = (
  startHash: StartHash,
  keys: Keys,
  region: string,
  request: Signable,
  now: DateTime.Utc,
): Readonly<Record<string, string>> => {
  const stamp = stampOf(now)
  const day = stamp.slice(0, 8)
  const bodyHash = Hex.encode(sha256(startHash, request.body ?? new Uint8Array()))
  const sent: Readonly<Record<string, string>> = {
    ...request.headers,
    "x-amz-content-sha256": bodyHash,
    "x-amz-date": stamp,
    ...(keys.sessionToken === undefined ? {} : { "x-amz-security-token": Redacted.value(keys.sessionToken) }),
  }
  const signed = Object.entries({ ...sent, host: request.host }).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const names = signed.map(([name]) => name).join(";")
  const canonical = [
    request.method,
    encodedPath(request.pathname),
    encodedQuery(request.query),
    ...signed.map(([name, value]) => `${name}:${value.trim().replaceAll(/\s+/g, " ")}`),
    "",
    names,
    bodyHash,
  ].join("\n")
  const scope = `${day}/${region}/s3/aws4_request`
  const text = ["AWS4-HMAC-SHA256", stamp, scope, Hex.encode(sha256(startHash, canonical))].join("\n")
  const secret: Uint8Array = new TextEncoder().encode(`AWS4${Redacted.value(keys.secretAccessKey)}`)
  const key = [day, region, "s3", "aws4_request"].reduce((key, part) => hmacSha256(startHash, key, part), secret)
  const signature = Hex.encode(hmacSha256(startHash, key, text))
  const authorization = `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`
  return { ...sent, authorization }
}
