/**
 * Where an object store is, as one URL: `azure://<account>/<container>`, `s3://<bucket>?region=<region>`, `file:///<directory>`.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
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
  "azure://<account>/<container>[/<prefix>], https://<account>.blob.core.windows.net/<container>[/<prefix>], s3://<bucket>[/<prefix>]?region=<region>, or file:///<directory>"

const texts = {
  url: `is not a URL; write ${expected}`,
  scheme: `starts with none of azure://, https://, s3:// and file://; write ${expected}`,
  secret: "has a secret in it; remove it there, and set LIVE_RESPONSE_OBJECT_STORE_SECRET to it",
  place: "has a port or a #; name the host and port of another service as ?endpoint=https://<host>:<port>",
  parameter:
    "has an unknown or repeated parameter; azure:// may have endpoint and client-id, https:// client-id, s3:// region and endpoint",
  blob: "is not the address of a container; write https://<account>.blob.core.windows.net/<container>",
  account: "has no name of an account after azure://; it is 3 to 24 lower-case letters and digits",
  container: "has no name of a container after the account; it is 3 to 63 lower-case letters, digits and single dashes",
  bucket: "has no name of a bucket after s3://; it is 3 to 63 lower-case letters, digits, dots and dashes",
  prefix: "has a prefix with other characters than letters, digits, dots, dashes and underscores between its slashes",
  region: "names no region; add ?region=<region>, such as ?region=eu-central-1",
  endpoint: "has an endpoint that is not https://<host> (plain http is for 127.0.0.1, [::1] and localhost alone)",
  clientId: "has an empty client-id; write the id of a managed identity",
  directory: "has no directory of this machine; write file:///<directory>, with three slashes",
} as const

const Problem = Schema.Literals([
  "url",
  "scheme",
  "secret",
  "place",
  "parameter",
  "blob",
  "account",
  "container",
  "bucket",
  "prefix",
  "region",
  "endpoint",
  "clientId",
  "directory",
])

type Problem = typeof Problem.Type

const isProblem = Schema.is(Problem)

/**
 * What is wrong with the URL of an object store. It never holds the URL, which may have a secret in it.
 *
 * @since 0.1.0
 * @category errors
 */
export class ObjectStoreUrlError extends Schema.TaggedError<ObjectStoreUrlError>(
  "@live-response/core/ObjectStoreUrlError",
)("ObjectStoreUrlError", { problem: Problem }) {
  override get message(): string {
    return `the URL of the object store ${this.description}`
  }

  /** The problem and the next step, after a word for the URL. */
  get description(): string {
    return texts[this.problem]
  }
}

const wrong = (problem: Problem) => Result.fail(new ObjectStoreUrlError({ problem }))

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

/** Checks the parts of a URL. The first one that is wrong names the problem. */
const checked =
  <A>(decode: (parts: unknown) => Result.Result<A, Schema.SchemaError>) =>
  (parts: unknown): Result.Result<A, ObjectStoreUrlError> =>
    Result.mapError(decode(parts), ({ issue }) => {
      const part = issuesOf(issue).issues[0]?.path?.[0]
      return new ObjectStoreUrlError({ problem: isProblem(part) ? part : "url" })
    })

const azure = checked(Schema.decodeUnknownResult(Azure))
const s3 = checked(Schema.decodeUnknownResult(S3))
const directory = checked(Schema.decodeUnknownResult(Directory))

/** The members that a URL has, by the names of its parameters. */
const membersOf = (
  { searchParams }: URL,
  names: Readonly<Record<string, string>>,
): Result.Result<Readonly<Record<string, string>>, ObjectStoreUrlError> => {
  const entries = [...searchParams]
  return new Set(searchParams.keys()).size === entries.length && entries.every(([name]) => Object.hasOwn(names, name))
    ? Result.succeed(Object.fromEntries(entries.map(([name, value]) => [names[name], value])))
    : wrong("parameter")
}

const decoded = Option.liftThrowable(decodeURIComponent)

/** A path of Windows has a drive behind the slash. */
const directoryOf = ({ pathname }: URL): string | undefined =>
  Option.getOrUndefined(decoded(pathname))?.replace(/^\/(?=[A-Za-z]:)/, "")

const accountOf = ({ host }: URL): string | undefined => /^([a-z0-9]+)\.blob\./.exec(host)?.[1]

/** What a URL without a secret says. */
const read = (url: URL): Result.Result<ObjectStoreUrl, ObjectStoreUrlError> => {
  const words = url.pathname.split("/").filter((word) => word !== "")
  const [container, ...prefix] = words
  const inContainer = { _tag: "Azure", container, prefix: prefix.join("/") }
  switch (url.protocol) {
    case "azure:":
      return Result.flatMap(membersOf(url, { endpoint: "endpoint", "client-id": "clientId" }), (members) =>
        azure({ ...inContainer, account: url.host, ...members }),
      )
    case "https:": {
      const account = accountOf(url)
      if (account === undefined || container === undefined) return wrong("blob")
      return Result.flatMap(membersOf(url, { "client-id": "clientId" }), (members) =>
        azure({ ...inContainer, account, endpoint: url.origin, ...members }),
      )
    }
    case "s3:":
      return Result.flatMap(membersOf(url, { endpoint: "endpoint", region: "region" }), (members) => {
        const region = members["endpoint"] === undefined ? {} : { region: "us-east-1" }
        return s3({ _tag: "S3", bucket: url.host, prefix: words.join("/"), ...region, ...members })
      })
    case "file:":
      if (url.host !== "") return wrong("directory")
      return Result.flatMap(membersOf(url, {}), () => directory({ _tag: "Directory", directory: directoryOf(url) }))
    default:
      return wrong("scheme")
  }
}

/** Parameters as a shared access signature has them, and keys. */
const secretParameter = /^(sv|sig)$|signature|secret|key|token|password/i

const hasSecret = ({ password, searchParams, username }: URL): boolean =>
  username !== "" || password !== "" || [...searchParams.keys()].some((name) => secretParameter.test(name))

/**
 * Parses the URL of an object store. The https address of a container of Azure is accepted as well.
 *
 * **Example**
 *
 * @example
 * ```ts
 * import * as ObjectStoreUrl from "@live-response/core/ObjectStoreUrl"
 * import * as Result from "effect/Result"
 *
 * const url = ObjectStoreUrl.parse("s3://results/tenants?region=eu-central-1")
 * console.log(Result.getOrThrow(url)._tag) // S3
 *
 * const wrong = ObjectStoreUrl.parse("s3://results/tenants")
 * console.log(Result.isFailure(wrong) && wrong.failure.problem) // region
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (text: string): Result.Result<ObjectStoreUrl, ObjectStoreUrlError> => {
  const url = URL.parse(text)
  if (url === null) return wrong("url")
  if (hasSecret(url)) return wrong("secret")
  return url.hash !== "" || url.port !== "" ? wrong("place") : read(url)
}
