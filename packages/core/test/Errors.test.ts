import { assert, describe, it } from "@effect/vitest"
import { ResultError } from "@live-response/core/BatchEvent"
import * as CredentialError from "@live-response/core/CredentialError"
import * as DefenderError from "@live-response/core/DefenderError"
import * as QuotaStoreError from "@live-response/core/QuotaStoreError"
import * as StoreError from "@live-response/core/StoreError"
import * as TransferError from "@live-response/core/TransferError"
import * as Arbitrary from "effect/Arbitrary"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import { exampleRef } from "./support/refs.ts"

const operation = `link of ${exampleRef}`
const result = String(exampleRef)
const answer = { status: 400, code: "InvalidInput", detail: "No such thing.", correlationId: "43f4cb08" }

const ofApi = (reason: DefenderError.Reason) => new DefenderError.DefenderError({ operation, reason })
const ofTransfer = (reason: TransferError.Reason) => new TransferError.TransferError({ result, reason })
const ofCredential = (reason: CredentialError.Reason) => new CredentialError.CredentialError({ reason })
const ofQuotaStore = (reason: QuotaStoreError.Reason) =>
  new QuotaStoreError.QuotaStoreError({ store: "Redis", reason, advice: "is it up?" })
const ofStore = (problem: StoreError.Problem) =>
  new StoreError.StoreError({ path: "/results/a", problem, detail: "EIO: i/o error" })

/** Every reason that there is, and what an operator must find in its message. */
const all: ReadonlyArray<{ readonly error: ResultError; readonly says: ReadonlyArray<RegExp>; readonly again?: true }> =
  [
    {
      error: ofApi(new DefenderError.Unauthorized({ ...answer, status: 401 })),
      says: [
        /link of 988cc94e.*:0/,
        /HTTP 401 InvalidInput: No such thing\./,
        /correlation id 43f4cb08/,
        /sign in again/,
      ],
    },
    {
      error: ofApi(new DefenderError.Forbidden({ ...answer, status: 403 })),
      says: [/link of 988cc94e/, /HTTP 403/, /Machine\.Read\.All/, /Machine\.LiveResponse/],
    },
    {
      error: ofApi(new DefenderError.NotFound({ ...answer, status: 404 })),
      says: [/HTTP 404/, /check the id and the index/],
    },
    { error: ofApi(new DefenderError.Refused(answer)), says: [/HTTP 400 InvalidInput: No such thing\./] },
    {
      error: ofApi(new DefenderError.TooManyRequests({ status: 429, retryAfter: Duration.seconds(8) })),
      says: [/HTTP 429/, /again in 8s/, /who else/],
    },
    { error: ofApi(new DefenderError.TooManyRequests({ status: 429 })), says: [/^(?!.*again in).*HTTP 429/] },
    {
      error: ofApi(new DefenderError.Unavailable({ status: 503 })),
      says: [/HTTP 503/, /try again later/],
      again: true,
    },
    {
      error: ofApi(new DefenderError.Unreachable({ description: "ENOTFOUND api" })),
      says: [/ENOTFOUND api/, /check the network/],
      again: true,
    },
    { error: ofApi(new DefenderError.UnexpectedAnswer({ description: "HTTP 302" })), says: [/HTTP 302/, /endpoint/] },
    {
      error: ofTransfer(new TransferError.LinkRefused({ status: 403, code: "AuthenticationFailed" })),
      says: [/^988cc94e.*:0: /, /HTTP 403 AuthenticationFailed/, /expired/],
    },
    { error: ofTransfer(new TransferError.LinkInvalid()), says: [/no usable link/, /https/] },
    {
      error: ofTransfer(new TransferError.Refused({ status: 404, code: "BlobNotFound" })),
      says: [/HTTP 404 BlobNotFound/],
    },
    { error: ofTransfer(new TransferError.Unavailable({ status: 503 })), says: [/HTTP 503/], again: true },
    {
      error: ofTransfer(new TransferError.Broken({ offset: 17, description: "other side closed" })),
      says: [/byte 17/, /other side closed/],
      again: true,
    },
    {
      error: ofTransfer(new TransferError.Stalled({ offset: 17, timeout: Duration.seconds(30) })),
      says: [/byte 17/, /30s/],
      again: true,
    },
    {
      error: ofTransfer(new TransferError.Mismatch({ what: "md5", expected: "abc=", actual: "def=" })),
      says: [/md5/, /abc=/, /def=/, /nothing was kept/],
    },
    { error: ofTransfer(new TransferError.Changed({ offset: 17 })), says: [/17 bytes/, /read it again/] },
    {
      error: ofCredential(new CredentialError.Missing()),
      says: [/LIVE_RESPONSE_TOKEN/, /AZURE_TENANT_ID/, /AZURE_CLIENT_ID/, /AZURE_CLIENT_SECRET/],
    },
    {
      error: ofCredential(new CredentialError.Refused({ description: "AADSTS7000215: no" })),
      says: [/AADSTS7000215: no/],
    },
    {
      error: ofCredential(new CredentialError.Unreachable({ description: "ENOTFOUND login" })),
      says: [/ENOTFOUND login/, /AZURE_AUTHORITY_HOST/],
    },
    { error: ofStore("DiskFull"), says: [/^\/results\/a: /, /disk is full/, /same command again/] },
    { error: ofStore("NotWritable"), says: [/^\/results\/a: /, /another directory/] },
    { error: ofStore("NotADirectory"), says: [/^\/results\/a: /, /another directory/] },
    { error: ofStore("TooManyOpenFiles"), says: [/^\/results\/a: /, /ulimit -n/, /concurrency/] },
    { error: ofStore("InUse"), says: [/^\/results\/a: in use by EIO: i\/o error/, /wait until/, /another directory/] },
    {
      error: ofQuotaStore(new QuotaStoreError.Unreachable({ description: "ECONNREFUSED" })),
      says: [/the quota's log in Redis does not answer \(ECONNREFUSED\); is it up\?/],
      again: true,
    },
    {
      error: ofQuotaStore(new QuotaStoreError.Unusable({ description: "disk is full" })),
      says: [/the quota's log in Redis can't be used \(disk is full\); is it up\?/],
    },
    { error: ofStore("Failed"), says: [/^\/results\/a: EIO: i\/o error$/] },
  ]

const Json = Schema.fromJsonString(ResultError)
const encode = Schema.encodeEffect(Json)
const decode = Schema.decodeEffect(Json)

/** JSON has no infinity, and nothing here waits for so long. */
const anyError = Arbitrary.filter(Arbitrary.schema(ResultError), (error) => {
  const reason = error._tag === "StoreError" ? undefined : error.reason
  const duration =
    reason?._tag === "Stalled" ? reason.timeout : reason?._tag === "TooManyRequests" ? reason.retryAfter : undefined
  return duration === undefined || Duration.isFinite(duration)
})

const tagOf = (error: ResultError) => `${error._tag} ${error._tag === "StoreError" ? error.problem : error.reason._tag}`

describe("errors", () => {
  it.effect.each(all.map((one) => ({ ...one, name: tagOf(one.error) })))(
    "say in one line what is wrong: $name",
    ({ error, says }) =>
      Effect.sync(() => {
        assert.notMatch(error.message, /[\r\n]/)
        for (const what of says) assert.match(error.message, what)
      }),
  )

  it.effect("say it in one line whatever the other side says", () =>
    Effect.sync(() => {
      const hostile = { status: 400, code: "Bad\nCode", detail: "first\r\nsecond\u001b[2J", correlationId: "a\nb" }
      const messages = [
        ofApi(new DefenderError.Unauthorized(hostile)),
        ofApi(new DefenderError.Refused(hostile)),
        ofApi(new DefenderError.TooManyRequests(hostile)),
      ].map((error) => error.message)
      for (const message of messages) assert.notMatch(message, /[\r\n]/)
    }),
  )

  it.effect("are all in the table above", () =>
    Effect.sync(() => {
      const reasons = {
        DefenderError: DefenderError.Reason.members,
        TransferError: TransferError.Reason.members,
        CredentialError: CredentialError.Reason.members,
        QuotaStoreError: QuotaStoreError.Reason.members,
      }
      const expected = Object.entries(reasons).flatMap(([error, members]) =>
        members.map((reason) => `${error} ${reason.fields._tag.schema.literal}`),
      )
      const problems = StoreError.Problem.literals.map((problem) => `StoreError ${problem}`)
      const tested = new Set(all.map(({ error }) => tagOf(error)))
      assert.deepStrictEqual([...tested].sort(), [...expected, ...problems].sort())
    }),
  )

  it.effect.each(all.map((one) => ({ ...one, name: tagOf(one.error) })))("come back from JSON: $name", ({ error }) =>
    Effect.gen(function* () {
      const json = yield* encode(error)
      const back = yield* decode(json)
      assert.strictEqual(back._tag, error._tag)
      assert.strictEqual(back.message, error.message)
      assert.strictEqual(yield* encode(back), json)
    }),
  )

  it.effect.prop(
    "come back from JSON whatever is in them",
    [anyError],
    ([error]) =>
      Effect.gen(function* () {
        const json = yield* encode(error)
        const back = yield* decode(json)
        assert.strictEqual(tagOf(back), tagOf(error))
        assert.strictEqual(yield* encode(back), json)
      }),
    { arbitrary: { runs: 300 } },
  )

  it.effect("are retryable only where a second try may help", () =>
    Effect.sync(() => {
      for (const { again, error } of all) {
        if (error._tag !== "DefenderError" && error._tag !== "TransferError") continue
        assert.strictEqual(error.isRetryable, again === true, tagOf(error))
      }
    }),
  )

  it.effect("are caught by their reason", () =>
    Effect.gen(function* () {
      const caught = yield* Effect.fail(ofApi(new DefenderError.NotFound({ status: 404 }))).pipe(
        Effect.catchReason("DefenderError", "NotFound", (reason) => Effect.succeed(reason.status)),
      )
      assert.strictEqual(caught, 404)
    }),
  )
})

describe("StoreError.fromPlatformError", () => {
  const systemError = (code: string | undefined, tag: PlatformError.SystemErrorTag, path = "/results/a/0.part") =>
    PlatformError.systemError({
      _tag: tag,
      module: "FileSystem",
      method: "open",
      pathOrDescriptor: path,
      ...(code === undefined ? {} : { cause: new Error(`${code}: something, open '${path}'`) }),
    })

  it.effect.each<{
    readonly code: string | undefined
    readonly tag: PlatformError.SystemErrorTag
    readonly problem: StoreError.Problem
  }>([
    { code: "ENOSPC", tag: "Unknown", problem: "DiskFull" },
    { code: "EDQUOT", tag: "Unknown", problem: "DiskFull" },
    { code: "EMFILE", tag: "Unknown", problem: "TooManyOpenFiles" },
    { code: "ENFILE", tag: "Unknown", problem: "TooManyOpenFiles" },
    { code: "EACCES", tag: "PermissionDenied", problem: "NotWritable" },
    { code: "EPERM", tag: "Unknown", problem: "NotWritable" },
    { code: "EROFS", tag: "Unknown", problem: "NotWritable" },
    { code: undefined, tag: "PermissionDenied", problem: "NotWritable" },
    { code: "ENOTDIR", tag: "BadResource", problem: "NotADirectory" },
    { code: "EEXIST", tag: "AlreadyExists", problem: "NotADirectory" },
    { code: "EIO", tag: "Unknown", problem: "Failed" },
    { code: "ENOENT", tag: "NotFound", problem: "Failed" },
    { code: undefined, tag: "Unknown", problem: "Failed" },
  ])("takes $code ($tag) for $problem", ({ code, problem, tag }) =>
    Effect.sync(() => {
      const error = StoreError.fromPlatformError("/results/a")(systemError(code, tag))
      assert.strictEqual(error.problem, problem)
      assert.strictEqual(error.path, "/results/a")
      if (code !== undefined) assert.match(error.detail, new RegExp(`^${code}: `))
      assert.notMatch(error.message, /[\r\n]/)
    }),
  )

  it.effect("goes by what happened and not by what the path is called", () =>
    Effect.sync(() => {
      for (const name of ["ENOSPC", "PermissionDenied", "EACCES", "EEXIST"]) {
        const path = `/srv/${name}/0.part`
        const error = StoreError.fromPlatformError(path)(systemError("EIO", "Unknown", path))
        assert.strictEqual(error.problem, "Failed", path)
      }
    }),
  )
})
