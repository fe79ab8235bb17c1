import { assert, describe, it } from "@effect/vitest"
import { ResultError } from "@live-response/core/ResultError"
import * as CredentialError from "@live-response/core/CredentialError"
import { DefectError } from "@live-response/core/DefectError"
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

/** Every reason, and what an operator must find in its message. */
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
      says: [/link of 988cc94e/, /HTTP 403/, /Machine\.ReadWrite\.All/, /Machine\.LiveResponse/],
    },
    {
      error: ofApi(new DefenderError.NotFound({ ...answer, status: 404 })),
      says: [/HTTP 404/, /check the id and the index/],
    },
    {
      error: ofApi(new DefenderError.TooLarge({ limit: 20 * 1024 * 1024 })),
      says: [/larger than 20 MB/, /upload it in the Microsoft Defender portal/],
    },
    {
      error: ofApi(new DefenderError.InvalidFileName({ fileName: ".." })),
      says: [/can't have the name "\.\."/, /use another name/],
    },
    {
      error: ofApi(new DefenderError.InvalidArguments({ characters: [";", "|"] })),
      says: [/the script's arguments have ; \|, which live response refuses/, /leave them out/],
    },
    { error: ofApi(new DefenderError.Refused(answer)), says: [/HTTP 400 InvalidInput: No such thing\./] },
    {
      error: ofApi(
        new DefenderError.ActiveRequestAlreadyExists({ ...answer, machineActionId: exampleRef.machineActionId }),
      ),
      says: [
        /another session is in progress/,
        /machine action 988cc94e-7a8f-4b28-ab65-54970c5d5018/,
        /wait until .*cancel/,
      ],
    },
    {
      error: ofApi(new DefenderError.ActiveRequestAlreadyExists(answer)),
      says: [/another session is in progress/, /HTTP 400 InvalidInput: No such thing\./],
    },
    {
      error: ofApi(new DefenderError.TooManyRequests({ status: 429, retryAfter: Duration.seconds(8) })),
      says: [/HTTP 429/, /again in 8s/, /check what else/],
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
    {
      error: ofApi(new DefenderError.Unreachable({ description: "HTTP 407", kind: "proxy" })),
      says: [/HTTP 407/, /HTTPS_PROXY=http:\/\/user:password@host:port/],
    },
    {
      error: ofApi(new DefenderError.Unreachable({ description: "ENOTFOUND api", kind: "name" })),
      says: [/ENOTFOUND api/, /--endpoint/],
      again: true,
    },
    {
      error: ofApi(new DefenderError.Unauthorized({ status: 401, challenge: "insufficient_claims" })),
      says: [/HTTP 401/, /conditional access asks for another sign-in/, /az login/],
    },
    { error: ofApi(new DefenderError.UnexpectedAnswer({ description: "HTTP 302" })), says: [/HTTP 302/, /endpoint/] },
    {
      error: ofApi(new DefenderError.EndlessList({ pages: 3 })),
      says: [/page 3/, /; entries may be missing: narrow the list/],
    },
    {
      error: ofApi(new DefenderError.OtherServer({ host: "evil.example.net" })),
      says: [/evil\.example\.net/, /use a path/],
    },
    {
      error: ofTransfer(new TransferError.LinkRefused({ status: 403, code: "AuthenticationFailed" })),
      says: [/^988cc94e.*:0: /, /HTTP 403 AuthenticationFailed/, /expired/],
    },
    {
      error: ofTransfer(new TransferError.LinkInvalid({ host: "evil.example.net" })),
      says: [/evil\.example\.net resolves to an address of this machine/, /--any-storage-host$/],
    },
    {
      error: ofApi(new DefenderError.LinkNotFollowed({ problem: "unknown", host: "evil.example.net" })),
      says: [
        /a link to evil\.example\.net, which is not a known storage host/,
        /LIVE_RESPONSE_STORAGE_HOSTS=/,
        /--any-storage-host/,
      ],
    },
    {
      error: ofTransfer(new TransferError.Refused({ status: 404, code: "BlobNotFound" })),
      says: [/HTTP 404 BlobNotFound/],
    },
    {
      error: ofTransfer(new TransferError.Refused({ status: 403, code: "AuthorizationSourceIPMismatch" })),
      says: [/HTTP 403 AuthorizationSourceIPMismatch/, /this machine's address/],
    },
    { error: ofTransfer(new TransferError.Unavailable({ status: 503 })), says: [/HTTP 503/], again: true },
    {
      error: ofTransfer(
        new TransferError.NotFromStorage({ status: 200, contentType: "text/html", via: "gw", title: "Access blocked" }),
      ),
      says: [/HTTP 200, text\/html, "Access blocked", by gw/, /\*\.blob\.core\.windows\.net/],
      again: true,
    },
    {
      error: ofTransfer(new TransferError.Broken({ offset: 0, description: "self-signed", kind: "certificate" })),
      says: [/self-signed/, /NODE_EXTRA_CA_CERTS=\/path\/to\/ca\.pem/],
    },
    {
      error: ofTransfer(new TransferError.Broken({ offset: 17, description: "other side closed" })),
      says: [/byte 17/, /other side closed/],
      again: true,
    },
    {
      error: ofTransfer(new TransferError.TooLarge({ limit: 1000, length: 2000 })),
      says: [/\(2000 bytes\)/, /1000 bytes/, /nothing was stored/, /--max-bytes/],
    },
    {
      error: ofTransfer(new TransferError.Stalled({ offset: 17, timeout: Duration.seconds(60), rate: 3.4 })),
      says: [/byte 17/, /3 bytes a second/, /1m/],
      again: true,
    },
    {
      error: ofTransfer(new TransferError.Stalled({ offset: 17, timeout: Duration.seconds(30) })),
      says: [/byte 17/, /30s/],
      again: true,
    },
    {
      error: ofTransfer(new TransferError.Mismatch({ what: "md5", expected: "abc=", actual: "def=" })),
      says: [/md5/, /abc=/, /def=/, /nothing was stored/],
    },
    {
      error: ofTransfer(new TransferError.Mismatch({ what: "file", expected: "8 bytes", actual: "16 bytes" })),
      says: [/file has 16 bytes/, /8 bytes/, /another program/, /nothing was stored/, /again/],
    },
    { error: ofTransfer(new TransferError.Changed({ offset: 17 })), says: [/17 bytes/, /read it again/] },
    {
      error: ofCredential(new CredentialError.Missing()),
      says: [/LIVE_RESPONSE_TOKEN/, /AZURE_TENANT_ID/, /AZURE_CLIENT_ID/, /AZURE_CLIENT_SECRET/],
    },
    {
      error: ofCredential(new CredentialError.Missing({ description: "the token file /run/token is empty" })),
      says: [/^no credential; the token file \/run\/token is empty$/],
    },
    {
      error: ofCredential(
        new CredentialError.Refused({
          error: "invalid_client",
          description: "AADSTS7000215: Invalid client secret provided.",
          code: 7000215,
          correlationId: "43f4cb08",
        }),
      ),
      says: [
        /^sign-in was refused: AADSTS7000215: Invalid client secret provided; /,
        /take the secret's value, not its id/,
        /correlation id 43f4cb08/,
      ],
    },
    {
      error: ofCredential(new CredentialError.Refused({ error: "invalid_client", description: "no" })),
      says: [/^sign-in was refused: no; check the app's secret or certificate$/],
    },
    {
      error: ofCredential(new CredentialError.Unusable({ description: "it holds spaces" })),
      says: [/^the token can't be used: it holds spaces$/],
    },
    {
      error: ofCredential(new CredentialError.Unreachable({ description: "self-signed", kind: "certificate" })),
      says: [/sign-in server/, /NODE_EXTRA_CA_CERTS=/],
    },
    {
      error: ofCredential(new CredentialError.Unreachable({ description: "read ECONNRESET", hasAnswered: true })),
      says: [/^the sign-in server's answer did not arrive whole \(read ECONNRESET\); check the network and the proxy$/],
      again: true,
    },
    {
      error: ofCredential(new CredentialError.Unreachable({ description: "ENOTFOUND login" })),
      says: [/ENOTFOUND login/, /check the network/, /AZURE_AUTHORITY_HOST/],
      again: true,
    },
    { error: ofStore("DiskFull"), says: [/^\/results\/a: /, /disk is full/, /same command again/] },
    { error: ofStore("LowDiskSpace"), says: [/^\/results\/a: /, /nearly full/, /--min-free/, /same command again/] },
    { error: ofStore("TotalReached"), says: [/^\/results\/a: /, /--max-total/, /same command again/] },
    { error: ofStore("NotWritable"), says: [/^\/results\/a: /, /another directory/] },
    { error: ofStore("NotADirectory"), says: [/^\/results\/a: /, /another directory/] },
    { error: ofStore("FileTooLarge"), says: [/^\/results\/a: /, /ulimit -f/, /choose/] },
    { error: ofStore("TooManyOpenFiles"), says: [/^\/results\/a: /, /ulimit -n/, /concurrency/] },
    { error: ofStore("InUse"), says: [/^\/results\/a: in use by EIO: i\/o error/, /wait until/, /another directory/] },
    { error: ofStore("Superseded"), says: [/^\/results\/a: EIO: i\/o error has taken over; this program stops/] },
    {
      error: ofQuotaStore(new QuotaStoreError.Unreachable({ description: "ECONNREFUSED" })),
      says: [/the quota's log in Redis does not answer \(ECONNREFUSED\); is it up\?/],
      again: true,
    },
    {
      error: ofQuotaStore(new QuotaStoreError.Unusable({ description: "disk is full" })),
      says: [/the quota's log in Redis can't be used \(disk is full\); is it up\?/],
    },
    {
      error: ofQuotaStore(new QuotaStoreError.Newer({ version: 2, known: 1 })),
      says: [
        /^the quota's log in Redis was written by a newer version of live-response \(schema 2, this one knows 1\); is/,
      ],
    },
    { error: ofStore("Untrusted"), says: [/^\/results\/a: EIO: i\/o error$/] },
    {
      error: ofQuotaStore(new QuotaStoreError.Untrusted({ description: "it is a symbolic link" })),
      says: [/^the quota's log in Redis is not safe to use \(it is a symbolic link\); is it up\?$/],
    },
    { error: ofStore("Failed"), says: [/^\/results\/a: EIO: i\/o error$/] },
    {
      error: new DefectError({ result: "988cc94e:0", description: "TypeError: no\nway" }),
      says: [/^988cc94e:0: this is a bug, please report it: TypeError: no way$/],
    },
  ]

const Json = Schema.fromJsonString(ResultError)
const encode = Schema.encodeEffect(Json)
const decode = Schema.decodeEffect(Json)

/** JSON has no infinity, and nothing here waits for so long. */
const anyError = Arbitrary.filter(Arbitrary.schema(ResultError), (error) => {
  const reason = "reason" in error ? error.reason : undefined
  const duration =
    reason?._tag === "Stalled" ? reason.timeout : reason?._tag === "TooManyRequests" ? reason.retryAfter : undefined
  return duration === undefined || Duration.isFinite(duration)
})

const tagOf = (error: ResultError) => {
  if (error._tag === "DefectError") return error._tag
  return `${error._tag} ${error._tag === "StoreError" ? error.problem : error.reason._tag}`
}

describe("errors", () => {
  it.effect.each(all.map((one) => ({ ...one, name: tagOf(one.error) })))(
    "have a message of one line with the problem and the next step: $name",
    ({ error, says }) =>
      Effect.sync(() => {
        assert.notMatch(error.message, /[\r\n]/)
        for (const what of says) assert.match(error.message, what)
      }),
  )

  it.effect("have a message of one line whatever the server says", () =>
    Effect.sync(() => {
      const hostile = {
        status: 400,
        code: "Bad\nCode",
        detail: "first\r\nsecond\u001b[2J \u202Ethird",
        correlationId: "a\nb",
      }
      const messages = [
        ofApi(new DefenderError.Unauthorized(hostile)),
        ofApi(new DefenderError.Refused(hostile)),
        ofApi(new DefenderError.TooManyRequests(hostile)),
      ].map((error) => error.message)
      for (const message of messages) assert.notMatch(message, /[\p{Cc}\p{Cf}]/u)
    }),
  )

  it.effect("are all in the table of this test", () =>
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
      assert.deepStrictEqual([...tested].sort(), [...expected, ...problems, "DefectError"].sort())
    }),
  )

  it.effect.each(all.map((one) => ({ ...one, name: tagOf(one.error) })))("survive JSON: $name", ({ error }) =>
    Effect.gen(function* () {
      const json = yield* encode(error)
      const back = yield* decode(json)
      assert.strictEqual(back._tag, error._tag)
      assert.strictEqual(back.message, error.message)
      assert.strictEqual(yield* encode(back), json)
    }),
  )

  it.effect.prop(
    "survive JSON whatever is in them",
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

  it.effect("are retryable only where a retry may help", () =>
    Effect.sync(() => {
      for (const { again, error } of all) {
        if (!("isRetryable" in error) || error._tag === "QuotaStoreError") continue
        assert.strictEqual(error.isRetryable, again === true, tagOf(error))
      }
    }),
  )

  it.effect("can be caught by their reason", () =>
    Effect.gen(function* () {
      const caught = yield* Effect.fail(ofApi(new DefenderError.NotFound({ status: 404 }))).pipe(
        Effect.catchReason("DefenderError", "NotFound", (reason) => Effect.succeed(reason.status)),
      )
      assert.strictEqual(caught, 404)
    }),
  )
})

describe("CredentialError.fromEntra", () => {
  const correlationId = "0a1b2c3d-1111-4222-8333-444455556666"
  const tail = `Trace ID: 5f1f4d0b-aaaa-4bbb-8ccc-ddddeeeeffff Correlation ID: ${correlationId} Timestamp: 2026-11-01 12:00:00Z`

  it.effect.each<{
    readonly name: string
    readonly error: string
    readonly description?: string
    readonly reason: Partial<CredentialError.Refused>
    readonly message: string
  }>([
    {
      name: "a wrong secret",
      error: "invalid_client",
      description: `AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app 'a'. ${tail}`,
      reason: { code: 7000215, description: "AADSTS7000215: Invalid client secret provided.", correlationId },
      message: `sign-in was refused: AADSTS7000215: Invalid client secret provided; take the secret's value, not its id (correlation id ${correlationId})`,
    },
    {
      name: "an expired secret, in lines",
      error: "invalid_client",
      description: `AADSTS7000222: The provided client secret keys for app 'a' are expired. Visit the Azure portal to create new keys for your app.\r\n${tail.replaceAll(/ (?=Correlation|Timestamp)/g, "\r\n")}`,
      reason: { code: 7000222, correlationId },
      message: `sign-in was refused: AADSTS7000222: The provided client secret keys for app 'a' are expired; create a new one in Entra: app registrations, certificates & secrets (correlation id ${correlationId})`,
    },
    {
      name: "an unknown app",
      error: "unauthorized_client",
      description: `AADSTS700016: Application with identifier 'a' was not found in the directory 'contoso.onmicrosoft.com'. This can happen if the application has not been installed by the administrator of the tenant. ${tail}`,
      reason: { code: 700016, correlationId },
      message: `sign-in was refused: AADSTS700016: Application with identifier 'a' was not found in the directory 'contoso.onmicrosoft.com'; check the app (AZURE_CLIENT_ID), and that it is in this tenant (AZURE_TENANT_ID) (correlation id ${correlationId})`,
    },
    {
      name: "an unknown tenant",
      error: "invalid_request",
      description: `AADSTS90002: Tenant 'contoso.example' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. ${tail}`,
      reason: { code: 90002, correlationId },
      message: `sign-in was refused: AADSTS90002: Tenant 'contoso.example' not found; check the tenant (AZURE_TENANT_ID), and the cloud that it is in (correlation id ${correlationId})`,
    },
    {
      name: "a code that is not known, without a full stop before the ids",
      error: "invalid_request",
      description: `AADSTS1234567: Something new happened ${tail}`,
      reason: { code: 1234567, description: "AADSTS1234567: Something new happened", correlationId },
      message: `sign-in was refused: AADSTS1234567: Something new happened; see https://login.microsoftonline.com/error?code=1234567 (correlation id ${correlationId})`,
    },
    {
      name: "a code that is not known, of an error that is",
      error: "invalid_client",
      description: `AADSTS1234567: Something new happened. ${tail}`,
      reason: { code: 1234567, correlationId },
      message: `sign-in was refused: AADSTS1234567: Something new happened; check the app's secret or certificate (correlation id ${correlationId})`,
    },
    {
      name: "what another library put before it",
      error: "unknown_error",
      description: `CredentialUnavailableError: 1 error(s)\n  at getToken (index.js:1:2)\n  AADSTS90002: Tenant 'a' not found.\n${tail}`,
      reason: { code: 90002, description: "AADSTS90002: Tenant 'a' not found.", correlationId },
      message: `sign-in was refused: AADSTS90002: Tenant 'a' not found; check the tenant (AZURE_TENANT_ID), and the cloud that it is in (correlation id ${correlationId})`,
    },
    {
      name: "no code",
      error: "invalid_grant",
      description: "The refresh token is too old. Sign in.",
      reason: { description: "The refresh token is too old." },
      message: "sign-in was refused: The refresh token is too old; sign in again",
    },
    {
      name: "no code of an error that is not known",
      error: "unknown_error",
      description: "first line\nsecond line",
      reason: { description: "first line" },
      message: "sign-in was refused: first line; check the tenant, the app and its secret",
    },
    {
      name: "no description",
      error: "invalid_scope",
      reason: { description: "invalid_scope" },
      message: "sign-in was refused: invalid_scope; check the audience and the cloud",
    },
    {
      name: "an error with the name of something that every object has",
      error: "constructor",
      description: "no",
      reason: { description: "no" },
      message: "sign-in was refused: no; check the tenant, the app and its secret",
    },
  ])("says the problem and the next step in one line: $name", ({ description, error, message, reason }) =>
    Effect.sync(() => {
      const refusal = CredentialError.fromEntra({ error, description })
      assert.deepInclude(refusal.reason, { _tag: "Refused", error, ...reason })
      assert.strictEqual("code" in refusal.reason, "code" in reason)
      assert.strictEqual("correlationId" in refusal.reason, "correlationId" in reason)
      assert.strictEqual(refusal.message, message)
      assert.isFalse(refusal.isRetryable)
    }),
  )

  it.effect("prefers the correlation id of the answer to that of its text", () =>
    Effect.sync(() => {
      const { message } = CredentialError.fromEntra({
        error: "invalid_client",
        description: tail,
        correlationId: "43f4",
      })
      assert.match(message, /\(correlation id 43f4\)$/)
    }),
  )

  it.effect.each([{ error: "temporarily_unavailable" }, { error: "server_error" }])(
    "treats $error as trouble that may pass",
    ({ error }) =>
      Effect.sync(() => {
        const trouble = CredentialError.fromEntra({
          error,
          description: `AADSTS90033: A transient error has occurred. Please try again. ${tail}`,
        })
        assert.deepInclude(trouble.reason, {
          _tag: "Unreachable",
          description: "AADSTS90033: A transient error has occurred.",
        })
        assert.isTrue(trouble.isRetryable)
        assert.notMatch(trouble.message, /[\r\n]/)
      }),
  )

  it.effect("accepts a code that is too long for a number", () =>
    Effect.sync(() => {
      const { message } = CredentialError.fromEntra({
        error: "invalid_client",
        description: `AADSTS${"9".repeat(40)}: No.`,
      })
      assert.match(message, /^sign-in was refused: AADSTS9+: No; /)
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
    { code: "EFBIG", tag: "Unknown", problem: "FileTooLarge" },
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
  ])("maps $code ($tag) to $problem", ({ code, problem, tag }) =>
    Effect.sync(() => {
      const error = StoreError.fromPlatformError("/results/a")(systemError(code, tag))
      assert.strictEqual(error.problem, problem)
      assert.strictEqual(error.path, "/results/a")
      if (code !== undefined) assert.match(error.detail, new RegExp(`^${code}: `))
      assert.notMatch(error.message, /[\r\n]/)
      assert.match(error.message, /; /, "the next step")
    }),
  )

  it.effect("depends on what happened and not on the name of the path", () =>
    Effect.sync(() => {
      for (const name of ["ENOSPC", "PermissionDenied", "EACCES", "EEXIST"]) {
        const path = `/srv/${name}/0.part`
        const error = StoreError.fromPlatformError(path)(systemError("EIO", "Unknown", path))
        assert.strictEqual(error.problem, "Failed", path)
      }
    }),
  )
})

describe("StoreError.describe", () => {
  // The name of a file may be a secret, where somebody confused the variables of both.
  it("does not name the file, which the system does", () => {
    const cause = new Error("ENAMETOOLONG: name too long, stat 'eyJ0eXAi'")
    const error = PlatformError.systemError({ _tag: "Unknown", module: "FileSystem", method: "stat", cause })
    assert.strictEqual(StoreError.describe(error), "ENAMETOOLONG: name too long")
  })
})
