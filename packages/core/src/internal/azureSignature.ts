/**
 * Signs requests to Azure's storage with the key of an account (Shared Key).
 *
 * @see https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key
 */
import * as Base64 from "effect/encoding/Base64"
import * as Redacted from "effect/Redacted"
import type { Algorithm, Hash } from "../Hasher.ts"
import { hmacSha256 } from "./hmac.ts"
import type { Request } from "./objectRequest.ts"

export interface Key {
  readonly account: string
  readonly key: Redacted.Redacted<Uint8Array>
}

/** The headers whose values are signed by their place. `date` is absent, because `x-ms-date` is sent. */
const placed = [
  "content-encoding",
  "content-language",
  "content-length",
  "content-md5",
  "content-type",
  "date",
  "if-modified-since",
  "if-match",
  "if-none-match",
  "if-unmodified-since",
  "range",
]

const byName = ([a]: readonly [string, string], [b]: readonly [string, string]) => (a < b ? -1 : 1)

/** What is signed. `headers` have lower-case names. */
const stringToSign = (account: string, request: Request, headers: Readonly<Record<string, string>>): string => {
  const length = request.body?.length ?? 0
  const values: Readonly<Record<string, string>> = { ...headers, "content-length": length === 0 ? "" : String(length) }
  const canonicalHeaders = Object.entries(headers)
    .filter(([name]) => name.startsWith("x-ms-"))
    .toSorted(byName)
    .map(([name, value]) => `${name}:${value}\n`)
  const query = Object.entries(request.query ?? {})
    .toSorted(byName)
    .map(([name, value]) => `\n${name}:${value}`)
  return [
    request.method,
    ...placed.map((name) => values[name] ?? ""),
    `${canonicalHeaders.join("")}/${account}${request.pathname}${query.join("")}`,
  ].join("\n")
}

export const authorization = (
  startHash: (algorithm: Algorithm) => Hash,
  { account, key }: Key,
  request: Request,
  headers: Readonly<Record<string, string>>,
): string => {
  const signature = hmacSha256(startHash, Redacted.value(key), stringToSign(account, request, headers))
  return `SharedKey ${account}:${Base64.encode(signature)}`
}
