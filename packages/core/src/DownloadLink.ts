/**
 * The link to a result: an Azure Blob SAS URL. Whoever holds it may read the result, so it is a secret.
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
import * as PrivateHost from "./PrivateHost.ts"

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
): Option.Option<DownloadLink> => Result.getSuccess(read(input, options))

/**
 * Hosts of the storage of Microsoft's clouds, each with all hosts under it: those of Azure Storage, also of the US
 * government, and of Defender itself.
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
 * Why a link is not followed: it is not a URL of https (`insecure`), its host is private where the API's is not
 * (`private`), or it is not one of the storage hosts (`unknown`). `host` is absent where there is none.
 *
 * @since 0.1.0
 * @category models
 */
export interface NotFollowed {
  readonly problem: "insecure" | "private" | "unknown"
  readonly host?: string
}

/**
 * Reads a link as `fromString` does, or says why it is not followed. Where `hosts` is given, the link's host has to be one
 * of them or under one of them, the API's own host, or private where the API is private itself.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = (
  input: string,
  options?: {
    /** When the server gave the link, by its own clock: the `Date` of its answer. */
    readonly issuedAt?: Option.Option<DateTime.DateTime> | undefined

    /** The address of the API that gave the link. By default one on the internet. */
    readonly from?: string | undefined

    /** The hosts that links may lead to. By default any. */
    readonly hosts?: ReadonlyArray<string> | "any" | undefined
  },
): Result.Result<DownloadLink, NotFollowed> => {
  const text = withoutEnd(input.trim().replace(/^"+/, ""), '"')
  const url = Option.getOrUndefined(SecureUrl.parse(text))
  const host = URL.parse(text)?.hostname.slice(0, longestHost)
  const notFollowed = (problem: NotFollowed["problem"]) =>
    Result.fail({ problem, ...(host === undefined || host === "" ? {} : { host }) })
  if (url === undefined) return notFollowed("insecure")
  const from = URL.parse(options?.from ?? "")
  if (from === null || !PrivateHost.isPrivate(from)) {
    if (PrivateHost.isPrivate(url)) return notFollowed("private")
    const hosts = options?.hosts ?? "any"
    const isKnown = hosts === "any" || [...hosts, ...(from === null ? [] : [from.hostname])].some(isUnder(url.hostname))
    if (!isKnown) return notFollowed("unknown")
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

/** A name with a dot at its end is the same name. */
const nameOf = (host: string): string => withoutEnd(host.toLowerCase(), ".")

const isUnder =
  (host: string) =>
  (known: string): boolean =>
    `.${nameOf(host)}`.endsWith(`.${nameOf(known).replace(/^(\*?\.)/, "")}`)

const ofUrl = (text: string, url: URL, issuedAt: Option.Option<DateTime.DateTime>): DownloadLink => {
  const expiresAt = Option.flatMap(Option.fromNullishOr(url.searchParams.get("se")), DateTime.make)
  return DownloadLink.make({
    url: Redacted.make(text, { label: "download link" }),
    expiresAt,
    validFor: Option.zipWith(issuedAt, expiresAt, (issued, expires) =>
      Duration.max(Duration.zero, DateTime.distance(issued, expires)),
    ),
  })
}
