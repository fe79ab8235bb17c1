/**
 * Where an object store is, as one URL: `azure://<account>/<container>`, `s3://<bucket>?region=<region>`, `file:///<directory>`.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Endpoint } from "./Cloud.ts"
import { Name } from "./ObjectStore.ts"

const Prefix = Schema.Union([Schema.Literal(""), Name])

/**
 * A container of Azure Blob Storage. `endpoint` is the address of the account, where it is not
 * `https://<account>.blob.core.windows.net`. `clientId` names a user-assigned identity.
 *
 * @since 0.1.0
 * @category models
 */
export class Azure extends Schema.TaggedClass<Azure>("@live-response/core/ObjectStoreUrl/Azure")("Azure", {
  account: Schema.String.check(Schema.isPattern(/^[a-z0-9]{3,24}$/)),
  container: Schema.String.check(Schema.isPattern(/^[a-z0-9](-?[a-z0-9]){2,62}$/)),
  prefix: Prefix,
  endpoint: Schema.optionalKey(Endpoint),
  clientId: Schema.optionalKey(Schema.NonEmptyString),
}) {}

/**
 * A bucket of S3. `endpoint` is the address of a service other than Amazon's.
 *
 * @since 0.1.0
 * @category models
 */
export class S3 extends Schema.TaggedClass<S3>("@live-response/core/ObjectStoreUrl/S3")("S3", {
  bucket: Schema.String.check(Schema.isPattern(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/)),
  prefix: Prefix,
  region: Schema.String.check(Schema.isPattern(/^[a-z0-9-]{1,40}$/)),
  endpoint: Schema.optionalKey(Endpoint),
}) {}

/**
 * A directory that all machines share.
 *
 * @since 0.1.0
 * @category models
 */
export class Directory extends Schema.TaggedClass<Directory>("@live-response/core/ObjectStoreUrl/Directory")(
  "Directory",
  { directory: Schema.NonEmptyString },
) {}

/**
 * @since 0.1.0
 * @category models
 */
export const ObjectStoreUrl = Schema.Union([Azure, S3, Directory])

/**
 * @since 0.1.0
 * @category models
 */
export type ObjectStoreUrl = typeof ObjectStoreUrl.Type

/**
 * What {@link parse} accepts, for messages.
 *
 * @since 0.1.0
 * @category parsing
 */
export const expected =
  "azure://<account>/<container>[/<prefix>], s3://<bucket>[/<prefix>]?region=<region>, or file:///<directory>"

const decodeUrl = Schema.decodeUnknownOption(ObjectStoreUrl)

/** The members that a URL has, or `undefined` if it has one that its kind does not know. */
const membersOf = (url: URL, names: Readonly<Record<string, string>>) => {
  const entries = [...url.searchParams].map(([name, value]) => [names[name], value] as const)
  return entries.some(([name]) => name === undefined) || new Set(url.searchParams.keys()).size !== entries.length
    ? undefined
    : Object.fromEntries(entries)
}

const decoded = Option.liftThrowable(decodeURIComponent)

/** A path of Windows has a drive behind the slash. */
const directoryOf = ({ pathname }: URL): string | undefined =>
  Option.getOrUndefined(decoded(pathname))?.replace(/^\/(?=[A-Za-z]:)/, "")

/** What a URL says, unchecked. */
const partsOf = (url: URL): unknown => {
  const words = url.pathname.split("/").filter((word) => word !== "")
  switch (url.protocol) {
    case "azure:": {
      const members = membersOf(url, { endpoint: "endpoint", "client-id": "clientId" })
      const [container, ...prefix] = words
      return members && { _tag: "Azure", account: url.host, container, prefix: prefix.join("/"), ...members }
    }
    case "https:": {
      const account = /^([a-z0-9]+)\.blob\./.exec(url.host)?.[1]
      const members = account === undefined ? undefined : membersOf(url, { "client-id": "clientId" })
      const [container, ...prefix] = words
      return (
        members && { _tag: "Azure", account, container, prefix: prefix.join("/"), endpoint: url.origin, ...members }
      )
    }
    case "s3:": {
      const members = membersOf(url, { endpoint: "endpoint", region: "region" })
      const region = members?.["endpoint"] === undefined ? {} : { region: "us-east-1" }
      return members && { _tag: "S3", bucket: url.host, prefix: words.join("/"), ...region, ...members }
    }
    case "file:":
      return url.host === "" && url.search === "" ? { _tag: "Directory", directory: directoryOf(url) } : undefined
    default:
      return undefined
  }
}

/**
 * Parses the URL of an object store. None for any other text. The https address of a container of Azure is accepted as well.
 *
 * **Example**
 *
 * @example
 * ```ts
 * import * as ObjectStoreUrl from "@live-response/core/ObjectStoreUrl"
 * import * as Option from "effect/Option"
 *
 * const url = ObjectStoreUrl.parse("s3://results/tenants?region=eu-central-1")
 * console.log(Option.getOrThrow(url)._tag) // S3
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (text: string): Option.Option<ObjectStoreUrl> => {
  const url = URL.parse(text)
  if (url === null || url.username !== "" || url.password !== "" || url.hash !== "" || url.port !== "") {
    return Option.none()
  }
  return decodeUrl(partsOf(url))
}
