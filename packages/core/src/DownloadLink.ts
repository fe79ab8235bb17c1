/**
 * The link to a result: an Azure Blob SAS URL. Whoever holds it may read the result, so it is a secret.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SecureUrl from "./internal/secureUrl.ts"
import { withoutEnd } from "./internal/text.ts"

/**
 * A download link. It is valid for 30 minutes, and only its storage knows for certain when it ends: `expiresAt` is what
 * the link says of itself (`se`), if it does. `validFor` is how long it was to last when it came, by the server's own
 * clock, so that it means the same on a machine whose clock is wrong.
 *
 * The URL is kept byte for byte as it was given: the signature holds a raw `/` beside an encoded `%3D`, and a URL that
 * was decoded and encoded again is refused.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-live-response-result
 * @since 0.1.0
 * @category models
 */
export class DownloadLink extends Schema.Class<DownloadLink>("@live-response/core/DownloadLink")({
  url: Schema.Redacted(Schema.String, { label: "download link" }),
  expiresAt: Schema.Option(Schema.DateTimeUtc),
  validFor: Schema.Option(Schema.Duration),
}) {}

/**
 * Reads a link from the `value` of the API's answer. Stray quotes round it, as a sibling call of the API is known to
 * return them, are dropped. Gives nothing for what is no URL, or is a URL that may not be followed: https is needed
 * everywhere but on the loopback interface, and an address of this machine or of a private network is followed only for
 * an API that is there itself (`from`).
 *
 * @example
 * ```ts
 * import * as DownloadLink from "@live-response/core/DownloadLink"
 *
 * const link = DownloadLink.fromString("https://example.blob.core.windows.net/r/4ed5?se=2021-02-04T16%3A13%3A50Z&sig=a/b%3D")
 * console.log(String(link)) // the URL is redacted
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromString = (
  input: string,
  options?: {
    /** When the server gave the link, by its own clock: the `Date` of its answer. */
    readonly issuedAt?: Option.Option<DateTime.DateTime> | undefined

    /** The address of the API that gave the link. By default one on the internet. */
    readonly from?: string | undefined
  },
): Option.Option<DownloadLink> => {
  const text = withoutEnd(input.trim().replace(/^"+/, ""), '"')
  const from = URL.parse(options?.from ?? "")
  const mayBePrivate = from !== null && SecureUrl.isPrivate(from)
  const followed = Option.filter(SecureUrl.parse(text), (url) => mayBePrivate || !SecureUrl.isPrivate(url))
  return Option.map(followed, (url) => {
    const expiresAt = Option.flatMap(Option.fromNullishOr(url.searchParams.get("se")), DateTime.make)
    return DownloadLink.make({
      url: Redacted.make(text, { label: "download link" }),
      expiresAt,
      validFor: Option.zipWith(options?.issuedAt ?? Option.none(), expiresAt, (issued, expires) =>
        Duration.max(Duration.zero, DateTime.distance(issued, expires)),
      ),
    })
  })
}
