import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Cli from "./support/CliInProcess.ts"
import * as ReferenceServer from "./support/ReferenceServer.ts"
import * as Samples from "./support/Samples.ts"

/** The one that meets the fault, and others, which must not suffer from it. */
const unlucky = `${Samples.action(0)}:0`
const others = Array.from({ length: 5 }, (_, n) => `${Samples.action(1)}:${n}`)
const targets = [unlucky, ...others]

const content = Samples.noise(4_000_000, 7)
const otherContent = (n: number) => Samples.noise(10_000, 100 + n)

const results: Readonly<Record<string, ReferenceServer.Result>> = {
  [unlucky]: { bytes: content },
  ...Object.fromEntries(others.map((target, n) => [target, { bytes: otherContent(n) }])),
}

interface Outcome {
  readonly box: Cli.Sandbox
  readonly server: ReferenceServer.ReferenceServer
  readonly ended: Cli.Ended
  /** The last line of the manifest about the unlucky one. */
  readonly entry: Readonly<Record<string, unknown>> | undefined
}

const entryOf = (box: Cli.Sandbox, target: string) =>
  Cli.ndjson(box.read("results/manifest.jsonl").toString()).findLast(
    ({ index, machineActionId }) => `${String(machineActionId)}:${String(index)}` === target,
  )

/** Downloads all targets from a server with faults. Whatever they are, the others arrive. */
const downloadAll = Effect.fnUntraced(function* (
  faults: Partial<ReferenceServer.Options>,
  commandOf: (server: ReferenceServer.ReferenceServer) => Cli.Command = (server) => Cli.download(server, ...targets),
): Effect.fn.Return<Outcome, never, Scope.Scope> {
  const server = yield* ReferenceServer.make({ results, ...faults })
  const box = yield* Cli.sandbox
  const ended = yield* box.run(commandOf(server))
  others.forEach((target, n) => {
    assert.isTrue(box.read(`results/${target.replace(":", "/")}.bin`).equals(otherContent(n)), `${target} suffered`)
  })
  return { box, server, ended, entry: entryOf(box, unlucky) }
})

const path = `${unlucky.replace(":", "/")}.bin`

const assertArrived = ({ box, ended, entry }: Outcome, bytes = content) => {
  assert.strictEqual(ended.exitCode, 0, ended.stderr)
  assert.isTrue(box.read(`results/${path}`).equals(bytes), "other bytes than the server's")
  assert.strictEqual(entry?.status, "completed")
  assert.strictEqual(entry?.bytes, bytes.length)
  assertNothingLeft(box, true)
}

/** It failed: standard error and the manifest say so, and no file could be mistaken for the result. */
const assertFailed = ({ box, ended, entry }: Outcome, message: RegExp) => {
  assert.strictEqual(ended.exitCode, 1, ended.stderr)
  const reported = ended.stderr.split("\n").filter((line) => line.startsWith("failed: "))
  assert.strictEqual(reported.length, 1, ended.stderr)
  assert.match(reported[0] ?? "", message)
  assert.include(reported[0], unlucky)
  assert.match(ended.stdout, /^5 downloaded \(50\.0 kB\), 1 failed; /)
  assert.strictEqual(entry?.status, "failed")
  assert.match(String(entry?.message), message)
  assertNothingLeft(box, false)
}

const assertNothingLeft = (box: Cli.Sandbox, arrived: boolean) =>
  assert.deepStrictEqual(
    box.files().filter((file) => !file.includes(".part")),
    [...(arrived ? [path] : []), ...others.map((target) => `${target.replace(":", "/")}.bin`), "manifest.jsonl"],
  )

/** The same, in a process of its own: it waits for seconds. */
const waiting =
  (...args: ReadonlyArray<string>) =>
  (server: ReferenceServer.ReferenceServer): Cli.Command =>
    Cli.inOwnProcess(Cli.download(server, ...args, ...targets))

/** A fault that only the unlucky one meets, in its first so many requests. */
const first =
  <A>(times: number, fault: (nth: number) => A) =>
  ({ nth, result }: ReferenceServer.Call): A | undefined =>
    result === unlucky && nth <= times ? fault(nth) : undefined

describe("faults", { concurrent: true }, () => {
  // It takes half a minute, so it is the first: the others happen meanwhile.
  it.live("a body that makes no progress fails, and leaves no file under its name", () =>
    Effect.gen(function* () {
      const outcome = yield* downloadAll(
        { onBlob: first(Infinity, (nth) => ({ breakAfter: nth === 1 ? 100_000 : 0 })) },
        waiting(),
      )
      assertFailed(outcome, /the download broke at byte \d+/)
      const attempts = outcome.server.blobCalls(unlucky).length
      assert.isAtLeast(attempts, 3)
      assert.isAtMost(attempts, 10)
      assert.strictEqual(outcome.server.linkCalls(unlucky).length, 1)
      assert.strictEqual(outcome.entry?.attempts, attempts)
    }),
  )

  describe("links", () => {
    it.live("one that expired before its first byte is renewed once", () =>
      Effect.gen(function* () {
        const outcome = yield* downloadAll({ onBlob: first(1, () => ({ expire: true })) })
        const { entry, server } = outcome
        assertArrived(outcome)
        assert.strictEqual(server.linkCalls(unlucky).length, 2)
        assert.strictEqual(server.linkCalls().length, targets.length + 1)
        assert.strictEqual(new Set(server.blobCalls(unlucky).map(({ url }) => url)).size, 2)
        assert.strictEqual(entry?.links, 2)
      }),
    )

    it.live("all that expired before use are renewed once each", () =>
      Effect.gen(function* () {
        const outcome = yield* downloadAll({ onBlob: ({ nth }) => (nth === 1 ? { expire: true } : undefined) })
        assertArrived(outcome)
        assert.strictEqual(outcome.server.linkCalls().length, 2 * targets.length)
      }),
    )

    it.live("a 403 for the renewed link too is final", () =>
      Effect.gen(function* () {
        const outcome = yield* downloadAll({ onBlob: first(Infinity, () => ({ expire: true })) })
        assertFailed(outcome, /HTTP 403 AuthenticationFailed/)
        assert.strictEqual(outcome.server.linkCalls(unlucky).length, 2)
        assert.strictEqual(outcome.server.blobCalls(unlucky).length, 2)
      }),
    )

    it.live("one that expired in the middle of a result is renewed, and the rest is downloaded with the new link", () =>
      Effect.gen(function* () {
        const outcome = yield* downloadAll({
          onBlob: first(2, (nth) => (nth === 1 ? { breakAfter: 3_500_000 } : { expire: true })),
        })
        assertArrived(outcome)
        const [whole, refused, rest] = outcome.server.blobCalls(unlucky)
        assert.deepStrictEqual([whole?.status, refused?.status, rest?.status], [200, 403, 206])
        assert.strictEqual(rest?.headers.range, refused?.headers.range)
        assert.strictEqual(outcome.server.linkCalls(unlucky).length, 2)
      }),
    )
  })

  describe("bodies", () => {
    it.live("one that breaks resumes there by Range, with the same link", () =>
      Effect.gen(function* () {
        const broken = 3_500_000
        const outcome = yield* downloadAll({ onBlob: first(1, () => ({ breakAfter: broken })) })
        assertArrived(outcome)
        const [whole, rest, ...more] = outcome.server.blobCalls(unlucky)
        assert.deepStrictEqual(more, [])
        assert.notProperty(whole?.headers, "range")
        assert.strictEqual(rest?.headers["if-match"], ReferenceServer.etagOf(content))
        assert.strictEqual(rest?.headers["accept-encoding"], "identity")
        assert.strictEqual(rest?.status, 206)
        const offset = Number(/^bytes=(\d+)-$/.exec(rest?.headers.range ?? "")?.[1])
        assert.isAtMost(offset, broken)
        // What was on the way when it broke may be asked for again: a few chunks, no more.
        assert.isAtLeast(offset, broken - 1_500_000)
        assert.strictEqual(whole?.sent, broken)
        assert.strictEqual(rest?.sent, content.length - offset)
        assert.strictEqual(outcome.server.linkCalls(unlucky).length, 1)
        assert.strictEqual(outcome.entry?.links, 1)
        assert.strictEqual(outcome.entry?.attempts, 2)
      }),
    )

    it.live("one that breaks again and again arrives as long as it makes progress", () =>
      Effect.gen(function* () {
        const outcome = yield* downloadAll({ onBlob: first(3, () => ({ breakAfter: 1_500_000 })) })
        assertArrived(outcome)
        const offsets = outcome.server.blobCalls(unlucky).map(({ headers }) => Number(/\d+/.exec(headers.range ?? "0")))
        assert.deepStrictEqual(
          offsets,
          offsets.toSorted((a, b) => a - b),
        )
        assert.isAbove(offsets.length, 2)
      }),
    )

    it.live("one that was replaced after it broke restarts, and is entirely the new content", () =>
      Effect.gen(function* () {
        const replacement = Samples.noise(3_900_000, 8)
        const server: ReferenceServer.ReferenceServer = yield* ReferenceServer.make({
          results,
          onBlob: first(2, (nth): ReferenceServer.BlobFault | undefined => {
            if (nth === 1) return { breakAfter: 3_500_000 }
            server.results.set(unlucky, { bytes: replacement })
            return undefined
          }),
        })
        const box = yield* Cli.sandbox
        const ended = yield* box.run(Cli.download(server, ...targets))
        assertArrived({ box, server, ended, entry: entryOf(box, unlucky) }, replacement)
        assert.deepStrictEqual(
          server.blobCalls(unlucky).map(({ headers, status }) => [status, headers.range !== undefined]),
          [
            [200, false],
            [412, true],
            [200, false],
          ],
        )
      }),
    )

    it.live("one that the storage sends in full instead of the requested range is correct", () =>
      Effect.gen(function* () {
        const outcome = yield* downloadAll({
          onBlob: first(2, (nth) => (nth === 1 ? { breakAfter: 3_500_000 } : { ignoreRange: true })),
        })
        assertArrived(outcome)
        const [, second, ...more] = outcome.server.blobCalls(unlucky)
        assert.isDefined(second?.headers.range)
        assert.strictEqual(second?.status, 200)
        assert.deepStrictEqual(more, [])
      }),
    )

    it.live("one that breaks before its first byte is requested again", () =>
      Effect.gen(function* () {
        const outcome = yield* downloadAll({ onBlob: first(2, () => ({ breakAfter: 0 })) })
        assertArrived(outcome)
        assert.deepStrictEqual(
          outcome.server.blobCalls(unlucky).map(({ headers }) => headers.range),
          [undefined, undefined, undefined],
        )
      }),
    )

    it.live("one with another MD5 than announced fails, and leaves no file", () =>
      Effect.gen(function* () {
        const wrong = ReferenceServer.md5(Samples.noise(1))
        const outcome = yield* downloadAll({ results: { ...results, [unlucky]: { bytes: content, md5: wrong } } })
        assertFailed(outcome, /md5/)
        assert.deepStrictEqual(
          outcome.box.files().filter((file) => file.includes(".part")),
          [],
        )
      }),
    )

    it.live("one without an MD5 is downloaded", () =>
      Effect.gen(function* () {
        const outcome = yield* downloadAll({
          results: { ...results, [unlucky]: { bytes: content, md5: null } },
          onBlob: first(1, () => ({ breakAfter: 2_000_000 })),
        })
        assertArrived(outcome)
      }),
    )

    it.live("an error page of the storage is never a result", () =>
      Effect.gen(function* () {
        const outcome = yield* downloadAll({
          onBlob: first(Infinity, () =>
            ReferenceServer.blobError(404, "BlobNotFound", "The specified blob does not exist."),
          ),
        })
        assertFailed(outcome, /HTTP 404 BlobNotFound/)
        assert.strictEqual(outcome.server.blobCalls(unlucky).length, 1)
      }),
    )

    it.live("a storage that is busy is asked again, with the same link", () =>
      Effect.gen(function* () {
        const outcome = yield* downloadAll({
          onBlob: first(1, () => ReferenceServer.blobError(503, "ServerBusy", "The server is busy.")),
        })
        assertArrived(outcome)
        assert.strictEqual(outcome.server.linkCalls(unlucky).length, 1)
      }),
    )

    it.live("the next run downloads only what failed", () =>
      Effect.gen(function* () {
        const server = yield* ReferenceServer.make({
          results,
          onBlob: first(1, () => ReferenceServer.blobError(409, "SnapshotsPresent", "Not now.")),
        })
        const box = yield* Cli.sandbox
        const ended = yield* box.run(Cli.download(server, ...targets))
        assertFailed({ box, server, ended, entry: entryOf(box, unlucky) }, /HTTP 409/)
        const requests = server.requests.length
        const again = yield* box.run(Cli.download(server, ...targets))
        assertArrived({ box, server, ended: again, entry: entryOf(box, unlucky) })
        assert.deepStrictEqual(new Set(server.requests.slice(requests).map(({ result }) => result)), new Set([unlucky]))
      }),
    )

    it.live("--retry-failed adds what failed without naming it", () =>
      Effect.gen(function* () {
        const server = yield* ReferenceServer.make({
          results,
          onLink: first(1, () => ReferenceServer.apiError(404, "ResourceNotFound", "Machine action was not found")),
        })
        const box = yield* Cli.sandbox
        yield* box.run(Cli.download(server, ...targets))
        const again = yield* box.run(Cli.download(server, "--retry-failed"))
        assertArrived({ box, server, ended: again, entry: entryOf(box, unlucky) })
        assert.match(again.stdout, /^1 downloaded \(4\.0 MB\); 1 link /)
      }),
    )
  })

  describe("the API", () => {
    const throttle = (seconds: number, headers: Readonly<Record<string, string>>) =>
      ReferenceServer.apiError(
        429,
        "429",
        `API calls quota exceeded! Maximum allowed 30 per 00:01:00 for the key Destination+TenantID+AppID. You can send requests again in ${seconds} seconds.`,
        headers,
      )

    const cases = [
      ["as a header", { "retry-after": "2" }],
      ["in its message alone", {}],
    ] as const
    it.live.each(cases)("a 429 that states %s when to retry delays every call until then", ([, headers]) =>
      Effect.gen(function* () {
        const concurrency = 2
        const outcome = yield* downloadAll(
          { onLink: ({ total }) => (total === 2 ? throttle(2, headers) : undefined) },
          waiting("-j", String(concurrency)),
        )
        assertArrived(outcome)
        const calls = outcome.server.linkCalls()
        const refused = calls.find(({ status }) => status === 429)
        assert.isDefined(refused)
        const since = calls.filter((call) => call !== refused && call.at >= refused.at).map(({ at }) => at - refused.at)
        // Calls that were in progress when the answer arrived do not count.
        assert.isAtMost(since.filter((after) => after < 1990).length, concurrency - 1, since.join())
        assert.isTrue(since.some((after) => after >= 1990))
        assert.strictEqual(calls.length, targets.length + 1)
      }),
    )

    it.live("windows smaller than the configured ones are learnt from the answers", () =>
      Effect.gen(function* () {
        const outcome = yield* downloadAll(
          { windows: [{ limit: 3, seconds: 5 }], retryAfterHeader: false },
          waiting("-j", "2"),
        )
        assertArrived(outcome)
        const refused = outcome.server.linkCalls().filter(({ status }) => status === 429)
        assert.isAbove(refused.length, 0)
        // Two at once: each time that the window is full, both may find out.
        assert.isAtMost(refused.length, 4)
      }),
    )

    it.live("is asked again after a 500", () =>
      Effect.gen(function* () {
        const outcome = yield* downloadAll({
          onLink: first(1, () => ReferenceServer.apiError(500, "InternalError", "Something went wrong.")),
        })
        assertArrived(outcome)
        assert.strictEqual(outcome.server.linkCalls(unlucky).length, 2)
        assert.strictEqual(outcome.entry?.links, 1)
      }),
    )

    it.live("is asked again after it closed the connection without an answer", () =>
      Effect.gen(function* () {
        const outcome = yield* downloadAll({ onLink: first(1, () => "hang up" as const) })
        assertArrived(outcome)
        assert.strictEqual(outcome.server.linkCalls(unlucky).length, 2)
      }),
    )

    it.live("is asked once for an unknown result", () =>
      Effect.gen(function* () {
        const outcome = yield* downloadAll({
          onLink: first(Infinity, () =>
            ReferenceServer.apiError(404, "ResourceNotFound", "Machine action was not found"),
          ),
        })
        assertFailed(outcome, /HTTP 404 ResourceNotFound: Machine action was not found/)
        assert.strictEqual(outcome.server.linkCalls(unlucky).length, 1)
      }),
    )

    it.live("is asked once for a request that it refuses", () =>
      Effect.gen(function* () {
        const outcome = yield* downloadAll({
          onLink: first(Infinity, () => ReferenceServer.apiError(400, "InvalidInput", "PutFile has no result")),
        })
        assertFailed(outcome, /HTTP 400 InvalidInput: PutFile has no result/)
        assert.strictEqual(outcome.server.linkCalls(unlucky).length, 1)
      }),
    )

    it.live("is reported if it answers something else than a link", () =>
      Effect.gen(function* () {
        const outcome = yield* downloadAll({
          onLink: first(Infinity, () => ({
            status: 200,
            headers: { "content-type": "text/html" },
            body: "<html>Sign in",
          })),
        })
        assertFailed(outcome, /is the endpoint the Defender API/)
      }),
    )
  })

  describe("what ends a batch", () => {
    const many = Array.from({ length: 200 }, (_, n) => `${Samples.action(n)}:0`)

    const answers = [
      [401, ReferenceServer.apiError(401, "Unauthorized", "The token has expired."), /refused the token/],
      [403, ReferenceServer.apiError(403, "MissingRoles", "The application has no roles."), /permission is missing/],
    ] as const
    it.live.each(answers)("a %i of the API ends it after a few calls, with one line", ([status, answer, message]) =>
      Effect.gen(function* () {
        const server = yield* ReferenceServer.make({ results: {}, onLink: () => answer })
        const box = yield* Cli.sandbox
        const ended = yield* box.run(Cli.download(server, "-j", "4", ...many))
        assert.strictEqual(ended.exitCode, 3)
        assert.match(ended.stderr, message)
        assert.include(ended.stderr, `HTTP ${status}`)
        assert.strictEqual(ended.stderr.trim().split("\n").length, 1, ended.stderr)
        // A 401 may be asked twice, with a new token.
        assert.isAtMost(server.linkCalls().length, 8)
      }),
    )
  })
})
