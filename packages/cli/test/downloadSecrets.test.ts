import { createHash } from "node:crypto"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Cli from "./support/CliInProcess.ts"
import * as ReferenceServer from "./support/ReferenceServer.ts"
import * as Samples from "./support/Samples.ts"

const samples = Samples.samples(60)
const targets = samples.map(({ target }) => target)

/** Sixty results of every kind, downloaded once; the tests look at what came of it. */
class Batch extends Context.Service<
  Batch,
  { readonly box: Cli.Sandbox; readonly server: ReferenceServer.ReferenceServer; readonly ended: Cli.Ended }
>()("@live-response/cli/test/downloadSecrets.test/Batch") {
  static readonly layer = Layer.effect(
    Batch,
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results: Samples.resultsOf(samples) })
      const box = yield* Cli.sandbox
      const ended = yield* box.run(Cli.download(server, ...targets))
      return { box, server, ended }
    }),
  )
}

layer(Batch.layer, { excludeTestServices: true })("a batch of sixty results", (it) => {
  it.effect("ends with 0 and a summary", () =>
    Effect.gen(function* () {
      const { ended } = yield* Batch
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      assert.match(ended.stdout, /^60 downloaded \(\d+\.\d MB\); 60 links in \d+ s\.\n/)
      assert.strictEqual(ended.stderr, "")
    }),
  )

  it.effect("writes each result byte for byte, named after its first bytes, and nothing else", () =>
    Effect.gen(function* () {
      const { box } = yield* Batch
      assert.deepStrictEqual(box.files(), [...samples.map(({ path }) => path), "manifest.jsonl"].sort())
      for (const { bytes, path } of samples) {
        assert.isTrue(box.read(`results/${path}`).equals(bytes), `${path} is not what was served`)
      }
    }),
  )

  it.effect("needs one link and one download for each result", () =>
    Effect.gen(function* () {
      const { server } = yield* Batch
      for (const target of targets) {
        assert.deepStrictEqual(
          [...server.linkCalls(target), ...server.blobCalls(target)].map(({ side, status }) => [side, status]),
          [
            ["api", 200],
            ["blob", 200],
          ],
        )
      }
      assert.strictEqual(server.requests.length, 120)
    }),
  )

  it.effect("sends the bearer to the API, and neither it nor trace headers to the storage", () =>
    Effect.gen(function* () {
      const { server } = yield* Batch
      for (const { headers } of server.linkCalls()) {
        assert.strictEqual(headers.authorization, `Bearer ${server.bearer}`)
        assert.strictEqual(`http://${headers.host}`, server.endpoint)
      }
      for (const { headers } of server.blobCalls()) {
        assert.strictEqual(`http://${headers.host}`, server.blobOrigin)
        assert.strictEqual(headers["accept-encoding"], "identity")
        assert.notInclude(JSON.stringify(headers), server.bearer)
        assert.doesNotHaveAnyKeys(headers, [
          "authorization",
          "traceparent",
          "tracestate",
          "b3",
          "x-b3-traceid",
          "cookie",
        ])
      }
    }),
  )

  it.effect("writes files that only their owner can read", () =>
    Effect.gen(function* () {
      const { box } = yield* Batch
      for (const path of box.files()) assert.strictEqual(box.mode(`results/${path}`), 0o600, path)
      for (const path of [".", Samples.action(0), Samples.action(9)]) {
        assert.strictEqual(box.mode(`results/${path}`), 0o700, path)
      }
    }),
  )

  it.effect("lists each result in the manifest", () =>
    Effect.gen(function* () {
      const { box } = yield* Batch
      const entries = Cli.timeless(Cli.ndjson(box.read("results/manifest.jsonl").toString()))
      const expected = samples.map(({ bytes, path, target }) => {
        const [machineActionId, index] = target.split(":")
        return {
          status: "completed",
          version: 1,
          machineActionId,
          index: Number(index),
          path,
          bytes: bytes.length,
          sha256: createHash("sha256").update(bytes).digest("hex"),
          etag: ReferenceServer.etagOf(bytes),
          links: 1,
          attempts: 1,
        }
      })
      assert.sameDeepMembers([...entries], expected)
    }),
  )

  it.effect("shows no secret", () =>
    Effect.gen(function* () {
      const { box, ended, server } = yield* Batch
      Cli.assertNoSecrets(box, server, ended)
    }),
  )

  it.effect("does not download a result twice", () =>
    Effect.gen(function* () {
      const { box, server } = yield* Batch
      const requests = server.requests.length
      const manifest = box.read("results/manifest.jsonl")
      const again = yield* box.run(Cli.download(server, ...targets))
      assert.strictEqual(again.exitCode, 0, again.stderr)
      assert.match(again.stdout, /^0 downloaded \(0 B\), 60 already present; 0 links/)
      assert.strictEqual(server.requests.length, requests)
      assert.isTrue(box.read("results/manifest.jsonl").equals(manifest))
    }),
  )

  it.effect("downloads a result again only if its file is missing or truncated", () =>
    Effect.gen(function* () {
      const { box, server } = yield* Batch
      const [, , gone, cut] = samples
      assert.isDefined(gone)
      assert.isDefined(cut)
      rmSync(join(box.out, gone.path))
      box.write(`results/${cut.path}`, cut.bytes.subarray(1))
      const requests = server.requests.length
      const again = yield* box.run(Cli.download(server, ...targets))
      assert.strictEqual(again.exitCode, 0, again.stderr)
      assert.deepStrictEqual(
        new Set(server.requests.slice(requests).map(({ result }) => result)),
        new Set([gone.target, cut.target]),
      )
      for (const { bytes, path } of [gone, cut]) assert.isTrue(box.read(`results/${path}`).equals(bytes), path)
    }),
  )
})

describe("a bearer and a link", { concurrent: true }, () => {
  const few = Samples.samples(12)
  const results = Samples.resultsOf(few)
  const fewTargets = few.map(({ target }) => target)

  it.live("stay secret if the token is refused", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      const secret = "wrong-bearer-5a11"
      const ended = yield* box.run({
        ...Cli.download(server, "--json", "--log-level", "all", ...fewTargets),
        env: { LIVE_RESPONSE_TOKEN: secret },
      })
      assert.strictEqual(ended.exitCode, 3)
      Cli.assertNoSecrets(box, { ...server, bearer: secret }, ended)
    }),
  )

  it.live("stay secret if the token can't be sent", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results })
      const box = yield* Cli.sandbox
      const secret = "bearer-of-two\nlines-5a11"
      const ended = yield* box.run({ ...Cli.download(server, ...fewTargets), env: { LIVE_RESPONSE_TOKEN: secret } })
      assert.strictEqual(ended.exitCode, 3, ended.stderr)
      Cli.assertNoSecrets(box, { ...server, bearer: "bearer-of-two" }, ended)
      Cli.assertNoSecrets(box, { ...server, bearer: "lines-5a11" }, ended)
    }),
  )

  it.live("stay secret if the storage refuses them, breaks, or repeats them", () =>
    Effect.gen(function* () {
      const server: ReferenceServer.ReferenceServer = yield* ReferenceServer.make({
        results,
        onBlob: ({ nth, total }) =>
          total % 3 === 0
            ? { expire: true }
            : nth === 1 && total % 3 === 1
              ? { breakAfter: 1 }
              : ReferenceServer.blobError(403, "AuthenticationFailed", server.signatures().join(" ")),
      })
      const box = yield* Cli.sandbox
      const ended = yield* box.run(Cli.download(server, "--json", "--log-level", "all", ...fewTargets))
      assert.strictEqual(ended.exitCode, 1)
      assert.isAbove(server.signatures().length, fewTargets.length)
      Cli.assertNoSecrets(box, server, ended)
    }),
  )

  it.live("are not sent where the API redirects", () =>
    Effect.gen(function* () {
      const statuses = [301, 302, 303, 307, 308]
      const server: ReferenceServer.ReferenceServer = yield* ReferenceServer.make({
        results,
        onLink: ({ total }) => ({
          status: statuses[total % statuses.length] ?? 302,
          headers: { location: `${server.blobOrigin}/elsewhere` },
        }),
      })
      const box = yield* Cli.sandbox
      const ended = yield* box.run(Cli.download(server, ...fewTargets))
      assert.strictEqual(ended.exitCode, 1)
      assert.strictEqual(server.linkCalls().length, fewTargets.length)
      assert.deepStrictEqual(server.blobCalls(), [])
    }),
  )

  it.live("are not sent where the storage redirects, and that answer is not a result", () =>
    Effect.gen(function* () {
      const server: ReferenceServer.ReferenceServer = yield* ReferenceServer.make({
        results,
        onBlob: ({ nth }) =>
          nth === 1
            ? { status: 302, headers: { location: `${server.endpoint}/elsewhere` }, body: "moved" }
            : { status: 404, body: "gone" },
      })
      const box = yield* Cli.sandbox
      const ended = yield* box.run(Cli.download(server, ...fewTargets))
      assert.strictEqual(ended.exitCode, 1)
      assert.deepStrictEqual(
        server.requests.filter(({ url }) => url.includes("elsewhere")),
        [],
      )
      assert.deepStrictEqual(box.files(), ["manifest.jsonl"])
    }),
  )

  it.live("are not sent unencrypted to another machine, or to an invalid address", () =>
    Effect.gen(function* () {
      const links = [
        "http://storage.example/r?sig=a/b%3D",
        "http://127.0.0.1.storage.example/r?sig=a/b%3D",
        "file:///etc/passwd",
        "investigation-actions-data/r?sig=a/b%3D",
        "",
      ]
      const server: ReferenceServer.ReferenceServer = yield* ReferenceServer.make({
        results,
        onLink: ({ total }) => ReferenceServer.linkAnswer(links[total % links.length] ?? ""),
      })
      const box = yield* Cli.sandbox
      const ended = yield* box.run(Cli.download(server, "-j", "1", ...fewTargets))
      assert.strictEqual(ended.exitCode, 1)
      // Five in a row that can't be followed, one call each, end the batch.
      assert.strictEqual(ended.stderr.trim().split("\n").length, links.length + 1)
      assert.strictEqual(server.requests.length, links.length)
      Cli.assertNoSecrets(box, server, ended)
      assert.deepStrictEqual(box.files(), ["manifest.jsonl"])
    }),
  )

  it.live("are accepted in stray quotes, as a similar call of the API has them", () =>
    Effect.gen(function* () {
      const server = yield* ReferenceServer.make({ results, linkValue: (link) => `"${link}"` })
      const box = yield* Cli.sandbox
      const ended = yield* box.run(Cli.download(server, ...fewTargets))
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      assert.deepStrictEqual(new Set(server.requests.map(({ status }) => status)), new Set([200]))
    }),
  )
})
