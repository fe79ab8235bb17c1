/** The library over real sockets, against a server that is written from Microsoft's documentation. */
import { createHash, randomBytes } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Credential from "@live-response/core/Credential"
import { Library } from "@live-response/core/Library"
import * as LibraryFile from "@live-response/core/LibraryFile"
import { linkWindows, Quota } from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as Timing from "@live-response/core/Timing"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { utf8 } from "./support/samples.ts"
import * as TenantServer from "./support/tenantServer.ts"

/** Retries as often as by default, without the waits. */
const impatient = Timing.layer({ api: Schedule.recurs(8) })

const over = (endpoint: string) =>
  NodeLiveResponse.layerApi({ endpoint }).pipe(
    Layer.provide([Credential.layerToken(Redacted.make(TenantServer.bearer)), QuotaStore.layerMemory, impatient]),
  )

const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

/** A file in chunks of 64 kB, as a disk gives it. */
const inChunks = (bytes: Uint8Array) =>
  Stream.fromIterable(
    Array.from({ length: Math.ceil(bytes.length / 65_536) }, (_, i) => bytes.subarray(i * 65_536, (i + 1) * 65_536)),
  )

const posts = (server: Effect.Success<ReturnType<typeof TenantServer.serve>>) =>
  server.requests("POST", "/api/libraryfiles")

describe("Library", () => {
  it.live(
    "sends nothing for a name that would stand for another resource, and notices an answer for another file",
    () =>
      Effect.gen(function* () {
        const named = { fileName: "other.ps1", sha256: hash(utf8("1")) }
        const server = yield* TenantServer.serve({
          fault: (method) => (method === "POST" ? { status: 200, body: named } : undefined),
        })
        yield* Effect.gen(function* () {
          const library = yield* Library
          for (const fileName of ["..", ".", "", "a/b", "a\\b"]) {
            const upload = library.upload({ fileName, content: Stream.succeed(utf8("1")) })
            for (const call of [library.delete(fileName), Effect.asVoid(upload)]) {
              const { message } = yield* Effect.flip(call)
              assert.include(message, `a file of the library can't have the name "${fileName}"`)
            }
          }
          assert.deepStrictEqual(server.requests(), [])
          const upload = library.upload({ fileName: "collect.ps1", content: Stream.succeed(utf8("1")) })
          const { message } = yield* Effect.flip(upload)
          assert.include(message, "it names another file, other.ps1")
        }).pipe(Effect.provide(over(server.endpoint)))
      }),
  )

  it.live("uploads, lists and deletes files, with the documented fields", () =>
    Effect.gen(function* () {
      const server = yield* TenantServer.serve()
      yield* Effect.gen(function* () {
        const library = yield* Library
        assert.deepStrictEqual(yield* Stream.runCollect(library.list), [])
        const name = 'umlaut ä "quoted" #1.ps1'
        const uploaded = yield* library.upload({
          fileName: name,
          content: Stream.succeed(utf8("Get-Process")),
          description: "Lists processes",
          parametersDescription: "-Name NAME",
        })
        assert.deepInclude({ ...uploaded }, { sha256: hash(utf8("Get-Process")), hasParameters: true })
        const stored = [...server.files.values()]
        assert.deepInclude(stored[0], {
          description: "Lists processes",
          parametersDescription: "-Name NAME",
          hasParameters: true,
          writes: 1,
        })
        yield* library.upload({ fileName: "tool.exe", content: Stream.succeed(Uint8Array.of(1, 2, 3)) })
        const listed = yield* Stream.runCollect(library.list)
        assert.deepStrictEqual(
          listed.map(({ fileName, hasParameters }) => [fileName, hasParameters]),
          [
            [stored[0]?.fileName ?? "", true],
            ["tool.exe", false],
          ],
        )
        yield* library.delete("tool.exe")
        yield* library.delete(stored[0]?.fileName ?? "")
        assert.strictEqual(server.files.size, 0)
        const missing = yield* Effect.flip(library.delete("tool.exe"))
        assert.strictEqual(
          missing.message,
          "deletion of tool.exe from the library: not found (HTTP 404 NotFound: No such file. (correlation id 43f4cb08-8fac-4b65-9db1-745c2ae65f3a)); check the name: the library has no such file",
        )
      }).pipe(Effect.provide(over(server.endpoint)))
    }),
  )

  it.live("sends a file of 20 MB again after the connection broke, and it is there once with every byte", () =>
    Effect.gen(function* () {
      const content = randomBytes(LibraryFile.largest)
      const server = yield* TenantServer.serve({
        fault: (method, path, nth) =>
          method === "POST" && path === "/api/libraryfiles" && nth <= 2 ? { cutAfter: nth * 5_000_000 } : undefined,
      })
      const uploaded = yield* Library.use((library) =>
        library.upload({ fileName: "large.bin", content: inChunks(content) }),
      ).pipe(Effect.provide(over(server.endpoint)))
      assert.strictEqual(uploaded.sha256, hash(content))
      assert.strictEqual(posts(server).length, 3)
      assert.isTrue(server.files.get("large.bin")?.content.equals(content))
      assert.strictEqual(server.files.get("large.bin")?.writes, 1)
      // It looked before it sent the file again.
      assert.strictEqual(server.requests("GET", "/api/libraryfiles").length, 2)
    }),
  )

  it.live("does not send a file again that the library has, although the answer was lost", () =>
    Effect.gen(function* () {
      const server = yield* TenantServer.serve({
        fault: (method, path, nth) =>
          method === "POST" && path === "/api/libraryfiles" && nth === 1
            ? "lost"
            : method === "DELETE" && nth === 1
              ? "lost"
              : undefined,
      })
      yield* Effect.gen(function* () {
        const library = yield* Library
        const uploaded = yield* library.upload({ fileName: "a.ps1", content: Stream.succeed(utf8("a")) })
        assert.strictEqual(uploaded.createdBy, "soc@contoso.com")
        assert.strictEqual(posts(server).length, 1)
        yield* library.delete("a.ps1")
        assert.strictEqual(server.requests("DELETE").length, 1)
      }).pipe(Effect.provide(over(server.endpoint)))
    }),
  )

  it.live("keeps the file that is there, unless it is to be replaced", () =>
    Effect.gen(function* () {
      const server = yield* TenantServer.serve()
      yield* Effect.gen(function* () {
        const library = yield* Library
        const upload = (text: string, overwrite: boolean) =>
          library.upload({ fileName: "a.ps1", content: Stream.succeed(utf8(text)), overwrite })
        yield* upload("one", false)
        const refused = yield* Effect.flip(upload("two", false))
        assert.include(refused.message, "upload of a.ps1 to the library: the API refused the request")
        assert.strictEqual(server.files.get("a.ps1")?.content.toString(), "one")
        yield* upload("two", true)
        assert.strictEqual(server.files.get("a.ps1")?.content.toString(), "two")
      }).pipe(Effect.provide(over(server.endpoint)))
    }),
  )

  it.live.each([false, true])(
    "sends a file once more if the library has other bytes of it; overwrite: %s",
    (overwrite) =>
      Effect.gen(function* () {
        const server = yield* TenantServer.serve({ mangle: (content) => Buffer.concat([content, Buffer.from("!")]) })
        const failed = yield* Library.use((library) =>
          library.upload({ fileName: "a.ps1", content: Stream.succeed(utf8("a")), overwrite }),
        ).pipe(Effect.flip, Effect.provide(over(server.endpoint)))
        assert.include(
          failed.message,
          `the library's copy differs: it has SHA-256 ${hash(utf8("a!"))}, and ${hash(utf8("a"))} was sent`,
        )
        assert.strictEqual(posts(server).length, 2)
      }),
  )

  it.live("sends nothing of a file that is too large, and reports a file that can't be read as itself", () =>
    Effect.gen(function* () {
      const server = yield* TenantServer.serve()
      yield* Effect.gen(function* () {
        const library = yield* Library
        const megabyte = new Uint8Array(1024 * 1024)
        let read = 0
        const endless = Stream.forever(Stream.sync(() => (read++, megabyte)))
        const tooLarge = yield* Effect.flip(library.upload({ fileName: "large.bin", content: endless }))
        assert.include(tooLarge.message, "the file is larger than 20 MB, the most that the library accepts")
        assert.isAtMost(read, 22)
        let reads = 0
        const broken = Stream.suspend(() =>
          ++reads === 1 ? Stream.succeed(megabyte) : Stream.fail("the disk is gone" as const),
        )
        const failed = yield* Effect.flip(library.upload({ fileName: "broken.bin", content: broken }))
        assert.strictEqual(failed, "the disk is gone")
        assert.strictEqual(server.files.size, 0)
      }).pipe(Effect.provide(over(server.endpoint)))
    }),
  )

  it.live("keeps a quota for each of its calls, apart from that of links", () =>
    Effect.gen(function* () {
      const server = yield* TenantServer.serve()
      yield* Effect.gen(function* () {
        const library = yield* Library
        yield* library.upload({ fileName: "a.ps1", content: Stream.succeed(utf8("a")) })
        yield* Stream.runDrain(library.list)
        const quota = yield* Quota
        const used = (name: string) =>
          Effect.flatMap(quota.ofApi({ name, windows: linkWindows() }), ({ status }) =>
            Effect.map(status, ({ windows }) => windows.map(({ used }) => used)),
          )
        assert.deepStrictEqual(
          (yield* quota.status).windows.map(({ used }) => used),
          [0, 0],
        )
        assert.deepStrictEqual(yield* used("ListLibraryFiles"), [1, 1])
        assert.deepStrictEqual(yield* used("UploadLibraryFile"), [1, 1])
        assert.deepStrictEqual(yield* used("DeleteLibraryFile"), [0, 0])
      }).pipe(Effect.provide(over(server.endpoint)))
    }),
  )
})
