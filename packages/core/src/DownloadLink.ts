/**
 * The download link of a result: an Azure Blob SAS URL.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SecureUrl from "./internal/secureUrl.ts"
import { withoutEnd } from "./internal/text.ts"
import * as TrustedInstance from "./internal/trustedInstance.ts"
import * as PrivateHost from "./PrivateHost.ts"

/**
 * A download link, which is valid for 30 minutes.
 *
 * **Details**
 *
 * - `expiresAt` is when the link says it expires (`se`), if it says so. Only the storage knows for certain.
 * - `validFor` is how long the link was still valid when the API gave it, by the clock of the API. It does not depend on the
 *   clock of this machine.
 *
 * **Gotchas**
 *
 * - The URL is a secret, because anyone who has it can read the result. It is `Redacted`.
 * - The URL is stored byte for byte. Its signature has a raw `/` beside an encoded `%3D`, and the storage refuses a URL that
 *   was decoded and encoded again.
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
 * Reads a link from the `value` of the API's answer. None if it is not a URL that may be followed.
 *
 * **Details**
 *
 * - `https` is required, except on the loopback interface.
 * - A host on this machine or in a private network is allowed only if the API (`from`) is there itself.
 * - Quotes around the link are removed, because another call of the API is known to return them.
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
    /** When the API gave the link, by its own clock: the `Date` of its answer. */
    readonly issuedAt?: Option.Option<DateTime.DateTime> | undefined

    /** The address of the API that gave the link. By default an address on the internet. */
    readonly from?: string | undefined
  },
): Option.Option<DownloadLink> => Result.getSuccess(read(input, options))

/**
 * The storage hosts of Microsoft's clouds, each with all its subdomains: Azure Storage, also that of the US government, and
 * Defender itself.
 *
 * @since 0.1.0
 * @category constants
 */
export const storageHosts: ReadonlyArray<string> = [
  "core.windows.net",
  "storage.azure.net",
  "core.usgovcloudapi.net",
  "securitycenter.windows.com",
  "security.microsoft.com",
  "securitycenter.microsoft.com",
  "securitycenter.microsoft.us",
]

/**
 * Why a link is not followed.
 *
 * **Details**
 *
 * - `insecure`: it is not an https URL
 * - `private`: its host is in a private network, and that of the API is not
 * - `unknown`: its host is not one of the storage hosts
 *
 * `host` is absent if the link has none.
 *
 * @since 0.1.0
 * @category models
 */
export interface NotFollowed {
  readonly problem: "insecure" | "private" | "unknown"
  readonly host?: string
}

/**
 * Reads a link as `fromString` does, and says why it is not followed.
 *
 * **Details**
 *
 * With `hosts`, the host of the link must be one of them or a subdomain of one, the host of the API, or in a private network
 * if the API is in one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = (
  input: string,
  options?: {
    /** When the API gave the link, by its own clock: the `Date` of its answer. */
    readonly issuedAt?: Option.Option<DateTime.DateTime> | undefined

    /** The address of the API that gave the link. By default an address on the internet. */
    readonly from?: string | undefined

    /** The hosts that links may lead to, with their subdomains. By default any. */
    readonly hosts?: ReadonlyArray<string> | "any" | undefined
  },
): Result.Result<DownloadLink, NotFollowed> => {
  const text = withoutEnd(input.trim().replace(/^"+/, ""), '"')
  const url = Option.getOrUndefined(SecureUrl.parse(text))
  const notFollowed = (problem: NotFollowed["problem"]) => {
    const host = URL.parse(text)?.hostname.slice(0, longestHost)
    return Result.fail({ problem, ...(host === undefined || host === "" ? {} : { host }) })
  }
  if (url === undefined) return notFollowed("insecure")
  const hosts = options?.hosts ?? "any"
  const isPrivate = PrivateHost.isPrivate(url)
  const isKnown = hosts === "any" || hosts.some(isUnder(url.hostname))
  if (isPrivate || !isKnown) {
    // The address of the API matters for other links alone.
    const from = URL.parse(options?.from ?? "")
    const isWithinNetwork = from !== null && PrivateHost.isPrivate(from)
    if (isPrivate && !isWithinNetwork) return notFollowed("private")
    const isOfApi = from !== null && isUnder(url.hostname)(from.hostname)
    if (!isKnown && !isWithinNetwork && !isOfApi) return notFollowed("unknown")
  }
  return Result.succeed(ofUrl(text, url, options?.issuedAt ?? Option.none()))
}

/**
 * Whether a link can still be used at this age, counted from when it was received. A link that does not say how long it is
 * valid always can.
 *
 * @since 0.1.0
 * @category checking
 */
export const isUsable = ({ validFor }: DownloadLink, age: Duration.Duration): boolean =>
  Option.match(validFor, { onNone: () => true, onSome: (validFor) => Duration.isLessThan(age, validFor) })

const longestHost = 253

/** A name with a dot at its end is the same name as without it. */
const nameOf = (host: string): string => withoutEnd(host.toLowerCase(), ".")

const isUnder =
  (host: string) =>
  (known: string): boolean =>
    `.${nameOf(host)}`.endsWith(`.${nameOf(known).replace(/^(\*?\.)/, "")}`)

const ofUrl = (text: string, url: URL, issuedAt: Option.Option<DateTime.DateTime>): DownloadLink => {
  const expiresAt = Option.flatMap(Option.fromNullishOr(url.searchParams.get("se")), DateTime.make)
  return TrustedInstance.make(DownloadLink, {
    url: Redacted.make(text, { label: "download link" }),
    expiresAt,
    validFor: Option.zipWith(issuedAt, expiresAt, (issued, expires) =>
      Duration.max(Duration.zero, DateTime.distance(issued, expires)),
    ),
  })
}
