/**
 * Stores files under names, where several machines share them: in Azure, in S3, or in a directory.
 *
 * @since 0.1.0
 */
import * as Bytes from "effect/Bytes"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { digestOf, type Hash, Hasher } from "./Hasher.ts"
import { Changed, Different, Missing, NotAName, ObjectStoreError, type Reason, Unexpected } from "./ObjectStoreError.ts"

/**
 * What is put into a store.
 *
 * **Details**
 *
 * `stream` may be run several times, and emits the same bytes each time: an upload that breaks reads it again. `sha256` has
 * hexadecimal digits.
 *
 * @since 0.1.0
 * @category models
 */
export interface Content<out E = never, out R = never> {
  readonly bytes: number
  readonly sha256: string
  readonly stream: Stream.Stream<Uint8Array, E, R>
}

/**
 * What is known of an object. `sha256` is absent where the store does not record it: then `read` gives the bytes
 * to hash.
 *
 * @since 0.1.0
 * @category models
 */
export interface Info {
  readonly bytes: number
  readonly sha256?: string
}

/**
 * What a `put` did: it stored the object, or the same content was there already.
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome = "stored" | "same"

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** The address of the store, without a secret, for messages. */
  readonly address: string

  /**
   * Stores an object unless one has its name.
   *
   * **Details**
   *
   * - It is all or nothing: nobody sees an object before all its bytes are stored and their SHA-256 was compared.
   * - If several programs put the same name at once, one of them stores it. The others get `same` if their content is equal, and
   *   fail with the reason `Different` if not. Nothing is ever replaced.
   * - A retry after a lost answer finds what it has stored itself, which is `same`.
   */
  readonly put: <E, R>(path: string, content: Content<E, R>) => Effect.Effect<Outcome, ObjectStoreError | E, R>

  /** What is known of an object. None if there is no such object. */
  readonly info: (path: string) => Effect.Effect<Option.Option<Info>, ObjectStoreError>

  /** The bytes of an object. It fails with the reason `Missing` if there is none. */
  readonly read: (path: string) => Stream.Stream<Uint8Array, ObjectStoreError>
}

/**
 * A store of objects that several machines share.
 *
 * **When to use**
 *
 * `SpooledResults.layer` stores results in it. `AzureObjectStore`, `S3ObjectStore` and `DirectoryObjectStore` implement it.
 *
 * @since 0.1.0
 * @category services
 */
export class ObjectStore extends Context.Service<ObjectStore, Service>()("@live-response/core/ObjectStore") {}

/**
 * The name of an object, or the beginning of it: words of letters, digits, `.`, `-` and `_`, with slashes between them. No word
 * starts with a dot. So it is the same in every store, and nothing in it needs to be escaped.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Name = Schema.String.check(
  Schema.isMaxLength(512),
  Schema.isPattern(/^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/, {
    expected: "letters, digits, dots, dashes and underscores, with slashes between them",
  }),
)

const isName = Schema.is(Name)

/**
 * Adds a prefix to a name. An empty prefix adds nothing.
 *
 * @since 0.1.0
 * @category names
 */
export const join = (prefix: string, name: string): string => [prefix, name].filter((part) => part !== "").join("/")

/**
 * The error of an operation on an object.
 *
 * @since 0.1.0
 * @category constructors
 */
export const failed = (address: string, path: string, reason: Reason): ObjectStoreError =>
  new ObjectStoreError({ object: join(address, path), reason })

/**
 * What a kind of store does itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface Implementation extends Pick<Service, "address" | "info" | "read"> {
  /** Stores an object after it has compared the SHA-256, or finds that one has this name (`exists`) and changes nothing. */
  readonly create: <E, R>(
    path: string,
    content: Content<E, R>,
  ) => Effect.Effect<"stored" | "exists", ObjectStoreError | E, R>
}

/** In bytes: whether a larger object is there already is asked before it is uploaded. */
const large = 4 * 1024 * 1024

const describe = ({ bytes, sha256 }: Info): string =>
  `${bytes} bytes${sha256 === undefined ? "" : ` with SHA-256 ${sha256}`}`

/**
 * Fails with the reason `Changed` if what was read is not what was announced.
 *
 * @since 0.1.0
 * @category checking
 */
export const checkContent = (
  address: string,
  path: string,
  { bytes, sha256 }: Pick<Content, "bytes" | "sha256">,
  found: Info,
): Effect.Effect<void, ObjectStoreError> =>
  found.bytes === bytes && (found.sha256 === undefined || found.sha256 === sha256)
    ? Effect.void
    : Effect.fail(failed(address, path, new Changed({ expected: describe({ bytes, sha256 }), found: describe(found) })))

/** Fails unless an object that is there has this content. */
const compare = Effect.fnUntraced(function* (
  { address, info, read }: Implementation,
  startHash: () => Hash,
  path: string,
  { bytes, sha256 }: Pick<Content<unknown, unknown>, "bytes" | "sha256">,
) {
  const found = Option.getOrUndefined(yield* info(path))
  if (found === undefined) {
    const description = "it is there when it is created, and not when it is looked at"
    return yield* failed(address, path, new Unexpected({ description }))
  }
  const readsAll = found.sha256 === undefined && found.bytes === bytes
  const actual = readsAll ? { bytes, sha256: (yield* digestOf(startHash(), read(path))).hex } : found
  if (actual.bytes === bytes && actual.sha256 === sha256) return
  const reason = new Different({ expected: describe({ bytes, sha256 }), found: describe(actual) })
  return yield* failed(address, path, reason)
})

/**
 * Creates a store of what its kind does: it refuses what is not the name of an object, and compares where one is there already.
 *
 * **When to use**
 *
 * Use it to implement a store of your own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (implementation: Implementation): Effect.Effect<Service> =>
  Effect.map(Hasher, (hasher) => {
    const { address, create, info, read } = implementation
    const named = (path: string) => (isName(path) ? Effect.void : Effect.fail(failed(address, path, new NotAName())))
    return {
      address,
      info: (path) => Effect.andThen(named(path), info(path)),
      read: (path) => Stream.unwrap(Effect.as(named(path), read(path))),
      put: Effect.fn("ObjectStore.put")(function* (path, content) {
        yield* named(path)
        const isKnown = content.bytes > large && Option.isSome(yield* info(path))
        const outcome = isKnown ? "exists" : yield* create(path, content)
        if (outcome === "stored") return outcome
        yield* compare(implementation, () => hasher("SHA-256"), path, content)
        return "same"
      }),
    }
  })

/**
 * A store in memory, for tests. It records no hash, so that equal contents are found by reading them.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<ObjectStore> = Layer.effect(
  ObjectStore,
  Effect.gen(function* () {
    const hasher = yield* Hasher
    const address = "memory:"
    const objects = new Map<string, Uint8Array>()
    return yield* make({
      address,
      info: (path) =>
        Effect.sync(() => Option.map(Option.fromNullishOr(objects.get(path)), ({ length: bytes }) => ({ bytes }))),
      read: (path) =>
        Stream.suspend(() => {
          const bytes = objects.get(path)
          return bytes === undefined ? Stream.fail(failed(address, path, new Missing())) : Stream.succeed(bytes)
        }),
      create: Effect.fnUntraced(function* (path, content) {
        const bytes = Bytes.concat(yield* Stream.runCollect(content.stream))
        const hash = hasher("SHA-256")
        hash.update(bytes)
        yield* checkContent(address, path, content, { bytes: bytes.length, sha256: Hex.encode(hash.digest()) })
        if (objects.has(path)) return "exists"
        objects.set(path, bytes)
        return "stored"
      }),
    })
  }),
)
