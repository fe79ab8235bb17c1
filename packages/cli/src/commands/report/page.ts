/**
 * The HTML file of a report: the page, which `npm run build:report` makes from `packages/cli/report`, and the data.
 *
 * The content security policy allows the script and the style of the page, by their hashes, and nothing else: no request, no
 * other script, and no HTML from text.
 */
import * as Base64 from "effect/encoding/Base64"
import * as Hasher from "@live-response/core/Hasher"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Stream from "effect/Stream"
import type { Part } from "./livePart.ts"
import page from "./page.json" with { type: "json" }
import { jsonPieces, type Payload } from "./payload.ts"

const hashOf = Effect.fnUntraced(function* (text: string) {
  const hasher = yield* Hasher.Hasher
  const hash = hasher("SHA-256")
  hash.update(new TextEncoder().encode(text))
  return `'sha256-${Base64.encode(hash.digest())}'`
})

/** The content security policy. A live page may connect to the collector that served it. */
const policyOf = Effect.fnUntraced(function* (isLive: boolean) {
  return [
    "default-src 'none'",
    ...(isLive ? ["connect-src 'self'"] : []),
    `script-src ${yield* hashOf(page.script)}`,
    `style-src ${yield* hashOf(page.style)}`,
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ")
})

const start = (policy: string, attributes = "") => `<!doctype html>
<html lang="en"${attributes}>
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Live response report</title>
<style>${page.style}</style>
</head>
<body>
<div id="page"><p class="loading" role="status">Reading the results…</p><noscript>This report needs JavaScript.</noscript></div>
`

/** The start of an element with data, which browsers do not run. */
const element = (type: string, id: string) => `<script type="${type}" id="${id}">`

const end = "</script>\n"

const foot = `<script>${page.script}</script>
</body>
</html>
`

/** Puts pieces together until they have some length, because each piece that is compressed has its price. */
const chunked = (pieces: Iterable<string>, length: number) =>
  Stream.fromIteratorSucceed(
    (function* () {
      let chunk = ""
      for (const piece of pieces) {
        chunk += piece
        if (chunk.length < length) continue
        yield chunk
        chunk = ""
      }
      yield chunk
    })(),
    1,
  )

const encode = (payload: Payload) =>
  Stream.orDie(
    Stream.fromReadableStream({
      evaluate: () =>
        Stream.toReadableStream(Stream.encodeText(chunked(jsonPieces(payload), 65_536))).pipeThrough(
          new CompressionStream("gzip"),
        ),
      onError: identity,
    }),
  )

/** Three bytes are four characters of base64, so only the last piece may have another length. */
const base64 = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>) =>
  bytes.pipe(
    Stream.mapAccum(
      () => Buffer.alloc(0),
      (rest, chunk) => {
        const all = Buffer.concat([rest, chunk])
        const end = all.length - (all.length % 3)
        return [all.subarray(end), [all.subarray(0, end).toString("base64")]] as const
      },
      { onHalt: (rest) => [rest.toString("base64")] },
    ),
  )

/** The page that a collector serves, and its policy. Its data is elsewhere. */
export const live = Effect.map(policyOf(true), (policy) => ({ policy, html: `${start(policy, " data-live")}${foot}` }))

/** A part of the data of a live page: the cursor and the hashes, each in a line, and the rest as JSON. */
export const data = ({ cursor, data, hashes }: Part): string => `${cursor}\n${hashes}\n${JSON.stringify(data)}`

/** The bytes of the file. */
export const html = (payload: Payload, hashes: Iterable<string>) =>
  Stream.unwrap(
    Effect.map(policyOf(false), (policy) =>
      Stream.encodeText(
        Stream.make(start(policy), element("application/octet-stream; base64", "hashes")).pipe(
          Stream.concat(chunked(hashes, 65_536)),
          Stream.concat(Stream.make(end, element("application/json; charset=utf-8; gzip; base64", "data"))),
          Stream.concat(base64(encode(payload))),
          Stream.concat(Stream.succeed(`${end}${foot}`)),
        ),
      ),
    ),
  )
