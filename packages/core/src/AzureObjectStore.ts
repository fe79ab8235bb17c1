/**
 * An object store in Azure Blob Storage, over any `HttpClient`.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { Service as BearerCredential } from "./Credential.ts"
import { type Algorithm, type Hash, Hasher } from "./Hasher.ts"
import * as AzureSignature from "./internal/azureSignature.ts"
import * as ObjectInfo from "./internal/objectInfo.ts"
import * as ObjectRanges from "./internal/objectRanges.ts"
import * as ObjectRequest from "./internal/objectRequest.ts"
import * as ObjectUpload from "./internal/objectUpload.ts"
import { randomHex } from "./internal/randomHex.ts"
import { withoutEnd } from "./internal/text.ts"
import * as ObjectStore from "./ObjectStore.ts"
import { ObjectStoreError, Unavailable } from "./ObjectStoreError.ts"

/**
 * How requests are authorised: with the key of the account, with a shared access signature, or with tokens of Entra.
 *
 * **Details**
 *
 * A shared access signature (`token`, without the question mark) needs `sp=rcw` on the container: read, create, and write for the
 * blocks of large files. An identity needs a role such as `Storage Blob Data Contributor`, and tokens for
 * `https://storage.azure.com/.default`.
 *
 * @since 0.1.0
 * @category models
 */
export type Authorization =
  | { readonly kind: "sharedKey"; readonly account: string; readonly key: Redacted.Redacted<string> }
  | { readonly kind: "sas"; readonly token: Redacted.Redacted<string> }
  | { readonly kind: "bearer"; readonly credential: BearerCredential }

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** The address of the container, as `https://<account>.blob.core.windows.net/<container>`. */
  readonly container: string

  /** The beginning of the names of all blobs. By default none. */
  readonly prefix?: string | undefined

  readonly authorization: Authorization

  /** In bytes: the size of a block, by default 4 MiB. A smaller file is stored with one request. */
  readonly blockSize?: number | undefined
}

/** The oldest version with blocks of 4,000 MiB is of 2019, and Azurite knows this one. */
const version = "2021-12-02"

/** @see https://learn.microsoft.com/en-us/rest/api/storageservices/put-block-list */
const mostBlocks = 50_000

const defaultBlockSize = 4 * 1024 * 1024

const type = { "content-type": "application/octet-stream" }

/** Whether a blob has the name that was to be created. It can't be replaced, or a lease or a policy forbids it. */
const isTaken = ({ code, status }: ObjectRequest.Answer) =>
  (status === 409 && (code === "BlobAlreadyExists" || code === "BlobImmutableDueToPolicy")) || status === 412

const isCreated = ({ status }: ObjectRequest.Answer) => status === 201

const sha256Header = "x-ms-meta-sha256"

/** What the service answers to a commit that names blocks it does not have. */
const lostBlocks = "InvalidBlockList"

const codeOf = (error: unknown): string | undefined =>
  error instanceof ObjectStoreError && "code" in error.reason ? error.reason.code : undefined

/** The commit of another upload has discarded the blocks of this one. */
const isOfLostBlocks = (error: unknown) => codeOf(error) === lostBlocks

/** So is refused who may create blobs and not overwrite them, also before the condition of the request is looked at. */
const overwriting = new Set(["AuthorizationPermissionMismatch", "UnauthorizedBlobOverwrite"])

const mayBeThere = (error: unknown) => isOfLostBlocks(error) || overwriting.has(codeOf(error) ?? "")

/** The bytes were damaged on the way, or an operation took the service too long. */
const isTransient = (code: string) => code === "Md5Mismatch" || code === "OperationTimedOut"

const createdHeaders = ({ sha256 }: Pick<ObjectStore.Content, "sha256">) => ({
  ...type,
  "if-none-match": "*",
  [sha256Header]: sha256,
})

const outcomeOf = (answer: ObjectRequest.Answer) => (isTaken(answer) ? ("exists" as const) : ("stored" as const))

/** Signs requests. A key of the account is decoded once. */
const signer = Effect.fnUntraced(function* ({ authorization, container }: Options) {
  const startHash = yield* Hasher
  const { origin } = new URL(container)
  const address = ({ pathname, query = {} }: ObjectRequest.Request, added = "") => {
    const own = new URLSearchParams(query).toString()
    const all = [own, added].filter((part) => part !== "").join("&")
    return `${origin}${pathname}${all === "" ? "" : `?${all}`}`
  }
  const headersOf = Effect.fnUntraced(function* ({ headers }: ObjectRequest.Request) {
    return { ...headers, "x-ms-version": version, "x-ms-date": DateTime.toDateUtc(yield* DateTime.now).toUTCString() }
  })
  switch (authorization.kind) {
    case "sharedKey": {
      const { account } = authorization
      const text = Redacted.value(authorization.key)
      const key = Redacted.make(Result.getOrElse(Base64.decode(text), () => new Uint8Array()))
      const secrets = [authorization.key]
      return Effect.fnUntraced(function* (request: ObjectRequest.Request) {
        const headers = yield* headersOf(request)
        const authorization = AzureSignature.authorization(startHash, { account, key }, request, headers)
        return { url: address(request), headers: { ...headers, authorization }, secrets }
      })
    }
    case "sas": {
      const secrets = [authorization.token]
      return Effect.fnUntraced(function* (request: ObjectRequest.Request) {
        return {
          url: address(request, Redacted.value(authorization.token)),
          headers: yield* headersOf(request),
          secrets,
        }
      })
    }
    case "bearer":
      return Effect.fnUntraced(function* (request: ObjectRequest.Request) {
        const { invalidate, token } = authorization.credential
        const current = yield* token
        const headers = { ...(yield* headersOf(request)), authorization: `Bearer ${Redacted.value(current)}` }
        return { url: address(request), headers, secrets: [current], refused: invalidate(current) }
      })
  }
})

const md5Of = (startHash: (algorithm: Algorithm) => Hash, bytes: Uint8Array): string => {
  const hash = startHash("MD5")
  hash.update(bytes)
  return Base64.encode(hash.digest())
}

/** Creates a blob with one request. */
const createWhole = <E, R>(creator: ObjectUpload.Creator, path: string, content: ObjectStore.Content<E, R>) =>
  creator.uploads.whole(
    content,
    Effect.fnUntraced(function* (bytes, whole) {
      yield* creator.check(path, content, whole)
      const headers = { ...createdHeaders(content), "x-ms-blob-type": "BlockBlob", "content-md5": whole.md5 }
      const answer = yield* creator.client.send(
        { ...creator.requestOf(path), method: "PUT", body: bytes, headers },
        (answer) => isCreated(answer) || isTaken(answer),
      )
      return outcomeOf(answer)
    }),
  )

/** Sends one block, whose MD5 the service compares. Ids have one length, and no two uploads have the same ones. */
const sendBlock = Effect.fnUntraced(function* (
  { client, requestOf, startHash }: ObjectUpload.Creator,
  path: string,
  upload: string,
  { bytes, index }: ObjectUpload.Block,
) {
  const id = Base64.encode(new TextEncoder().encode(`${upload}-${String(index).padStart(6, "0")}`))
  const query = { comp: "block", blockid: id }
  const headers = { ...type, "content-md5": md5Of(startHash, bytes) }
  yield* client.send({ ...requestOf(path), method: "PUT", query, body: bytes, headers }, isCreated)
  return id
})

/** Creates a blob of blocks. */
const createOfBlocks = Effect.fnUntraced(function* <E, R>(
  creator: ObjectUpload.Creator,
  path: string,
  content: ObjectStore.Content<E, R>,
) {
  const { check, client, requestOf, uploads } = creator
  const upload = yield* randomHex(16)
  const { sent, whole } = yield* uploads.blocks(content, (block) => sendBlock(creator, path, upload, block))
  yield* check(path, content, whole)
  const list = sent.map((id) => `<Latest>${id}</Latest>`).join("")
  const body = new TextEncoder().encode(`<?xml version="1.0" encoding="utf-8"?><BlockList>${list}</BlockList>`)
  const headers = { ...createdHeaders(content), "x-ms-blob-content-md5": whole.md5 }
  const answer = yield* client.send(
    { ...requestOf(path), method: "PUT", query: { comp: "blocklist" }, body, headers },
    (answer) => isCreated(answer) || isTaken(answer) || answer.code === lostBlocks,
  )
  if (answer.code !== lostBlocks) return outcomeOf(answer)
  const reason = new Unavailable({ status: answer.status, code: lostBlocks })
  return yield* ObjectStore.failed(client.address, path, reason)
})

/** Where an error may mean that the blob is there, it is searched. */
const unlessThere = <E, R>(
  { client, requestOf }: ObjectUpload.Creator,
  path: string,
  creating: Effect.Effect<"stored" | "exists", E, R>,
) =>
  creating.pipe(
    Effect.catch((error) =>
      mayBeThere(error)
        ? Effect.flatMap(ObjectInfo.find(client, requestOf(path), sha256Header), (found) =>
            Option.isSome(found) ? Effect.succeed("exists" as const) : Effect.fail(error),
          )
        : Effect.fail(error),
    ),
  )

const make = Effect.fnUntraced(function* (options: Options) {
  const { blockSize = defaultBlockSize, prefix = "" } = options
  const container = withoutEnd(options.container, "/")
  const address = ObjectStore.join(container, prefix)
  const client = yield* ObjectRequest.make({ address, sign: yield* signer(options), isTransient })
  const { pathname } = new URL(container)
  const requestOf = (path: string) => ({ object: path, pathname: `${pathname}/${ObjectStore.join(prefix, path)}` })
  const creator: ObjectUpload.Creator = {
    client,
    requestOf,
    check: (path, content, found) => ObjectStore.checkContent(address, path, content, found),
    uploads: yield* ObjectUpload.make({ blockSize, mostBlocks }),
    startHash: yield* Hasher,
  }
  return yield* ObjectStore.make({
    address,
    create: (path, content) =>
      content.bytes <= blockSize
        ? unlessThere(creator, path, createWhole(creator, path, content))
        : Effect.retry(unlessThere(creator, path, createOfBlocks(creator, path, content)), {
            times: 3,
            while: isOfLostBlocks,
          }),
    info: (path) => ObjectInfo.find(client, requestOf(path), sha256Header),
    read: (path) => ObjectRanges.read(client, address, { ...requestOf(path), method: "GET" }),
  })
})

/**
 * Stores objects as block blobs of a container.
 *
 * **Details**
 *
 * - A blob is created with `If-None-Match: *`, so that the service itself refuses a second one. Its metadata has `sha256`, and its
 *   properties the MD5 of the whole.
 * - A file of at most a block (4 MiB) is one request. A larger one is sent in blocks, three at once, and committed when its SHA-256
 *   was compared. The service compares the MD5 of each request. Blocks are larger where 50,000 would not be enough, above 195 GiB.
 * - All uploads of a store have 64 MiB in memory together, or what one upload of more than 800 GiB needs.
 * - While the service is away, in trouble or throttles, requests are repeated as `Timing.objectStore` says.
 *
 * **Gotchas**
 *
 * The service keeps the blocks of an upload that was interrupted for a week.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<ObjectStore.ObjectStore, never, HttpClient.HttpClient> =>
  Layer.effect(ObjectStore.ObjectStore, make(options))
