import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Credential from "@live-response/core/Credential"
import { LiveResponse } from "@live-response/core/LiveResponse"
import { Manifest } from "@live-response/core/Manifest"
import { linkWindows, Quota } from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as Timing from "@live-response/core/Timing"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as SimulatorServer from "@live-response/node/testing/SimulatorServer"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as LayerMap from "effect/LayerMap"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { patterned, refAt, refsUpTo, tempDirectory, utf8 } from "./support/samples.ts"

const server = SimulatorServer.layer().pipe(Layer.provideMerge(Simulator.layer({ tokens: ["token"] })))
const endpointOf = Effect.map(HttpServer.HttpServer, ({ address }) => HttpServer.formatAddress(address))
const token = Credential.layerToken(Redacted.make("token"))
const impatient = Timing.layer({ transfer: Schedule.upTo(Schedule.spaced("10 millis"), { times: 5 }) })

const layerOf = (options: NodeLiveResponse.Options) =>
  NodeLiveResponse.layer(options).pipe(Layer.provide([token, impatient, QuotaStore.layerMemory]))

const saveAll = (count: number) =>
  Effect.flatMap(LiveResponse, (live) => Stream.runCollect(live.saveAll(Stream.fromIterable(refsUpTo(count)))))

const script = `{"script_name":"a.ps1","exit_code":0,"script_output":"first
second\\u0000","script_errors":""}`
const contents = [utf8(script), gzipSync(patterned(200_000)), patterned(2_500_000), new Uint8Array(), utf8("plain")]
const names = ["0.json", "1.gz", "2.bin", "3.bin", "4.bin"]

const addAll = Effect.gen(function* () {
  const simulator = yield* Simulator.Simulator
  for (const [n, content] of contents.entries()) {
    yield* simulator.add(refAt(n), {
      content,
      ...(n === 1 ? { blobFaults: [{ fault: "expire" }] } : {}),
      ...(n === 2 ? { blobFaults: [{ fault: "cut", after: 1_500_000 }] } : {}),
    })
  }
})

describe("NodeLiveResponse.layer", () => {
  it.live("downloads results, and does not download them twice", () =>
    Effect.gen(function* () {
      const directory = join(yield* tempDirectory, "results")
      const endpoint = yield* endpointOf
      const simulator = yield* Simulator.Simulator
      yield* addAll

      const first = yield* saveAll(6).pipe(Effect.provide(layerOf({ directory, endpoint })))
      assert.deepInclude(first.at(-1), { event: "summary", completed: 5, failed: 1, skipped: 0 })
      const ofAction = join(directory, refAt(0).machineActionId)
      assert.deepStrictEqual(readdirSync(ofAction).toSorted(), names)
      for (const [n, content] of contents.entries()) {
        const path = join(ofAction, names[n] ?? "")
        assert.isTrue(readFileSync(path).equals(content), names[n])
        assert.strictEqual((statSync(path).mode & 0o777).toString(8), "600")
        const reported = first.find((event) => event.event === "completed" && event.index === n)
        assert.deepInclude(reported, {
          path: `${refAt(n).machineActionId}/${names[n]}`,
          bytes: content.length,
          sha256: createHash("sha256").update(content).digest("hex"),
        })
      }
      const manifest = readFileSync(join(directory, "manifest.jsonl"), "utf8")
      assert.strictEqual(manifest.trimEnd().split("\n").length, 6)
      assert.notMatch(manifest, /sig=|Bearer|"token"/)

      // Another run is another layer, which only knows what is on the disk.
      const before = (yield* simulator.calls).length
      yield* simulator.add(refAt(5), { content: utf8("here now") })
      const second = yield* saveAll(6).pipe(Effect.provide(layerOf({ directory, endpoint })))
      assert.deepInclude(second.at(-1), { event: "summary", completed: 1, failed: 0, skipped: 5 })
      assert.strictEqual((yield* simulator.calls).length, before + 2)
      assert.isTrue(existsSync(join(ofAction, "5.bin")))
    }).pipe(Effect.scoped, Effect.provide(server)),
  )

  it.live("stores one file if a result is saved twice at once, and both calls return its hash", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const endpoint = yield* endpointOf
      const content = patterned(4_000_000)
      yield* (yield* Simulator.Simulator).add(refAt(0), { content })
      const stored = yield* Effect.flatMap(LiveResponse, (live) =>
        Effect.all([live.save(refAt(0)), live.save(refAt(0))], { concurrency: 2 }),
      ).pipe(Effect.provide(layerOf({ directory, endpoint })))
      const sha256 = createHash("sha256").update(content).digest("hex")
      for (const { bytes, path, sha256: hash } of stored) {
        assert.deepStrictEqual({ bytes, hash }, { bytes: content.length, hash: sha256 })
        assert.isTrue(readFileSync(join(directory, path)).equals(content))
      }
    }).pipe(Effect.scoped, Effect.provide(server)),
  )

  it.live("resumes after an interruption with the bytes on the disk", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const endpoint = yield* endpointOf
      const simulator = yield* Simulator.Simulator
      const content = patterned(4_000_000)
      yield* simulator.add(refAt(0), { content, blobFaults: [{ fault: "stall", after: 3_300_000 }] })
      const part = join(directory, refAt(0).machineActionId, "0.part")

      yield* Effect.gen(function* () {
        const live = yield* LiveResponse
        const fiber = yield* Effect.forkChild(live.save(refAt(0)))
        yield* Effect.repeat(
          Effect.sync(() => (existsSync(part) ? statSync(part).size : 0)),
          { schedule: Schedule.spaced("10 millis"), until: (size) => size >= 2_000_000 },
        )
        yield* Fiber.interrupt(fiber)
      }).pipe(Effect.provide(layerOf({ directory, endpoint })))
      const { size } = statSync(part)
      assert.isAtMost(size, 3_300_000)

      const events = yield* saveAll(1).pipe(Effect.provide(layerOf({ directory, endpoint })))
      assert.deepInclude(events.at(-1), { completed: 1 })
      const blobs = (yield* simulator.calls).filter(({ kind }) => kind === "blob")
      assert.deepStrictEqual(
        blobs.map(({ headers }) => headers.range),
        [undefined, `bytes=${size}-`],
      )
      assert.isTrue(readFileSync(join(directory, refAt(0).machineActionId, "0.bin")).equals(content))
      assert.isFalse(existsSync(part))
    }).pipe(Effect.scoped, Effect.provide(server)),
  )

  it.live("uses the limits and the stall timeout of its options", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const endpoint = yield* endpointOf
      const simulator = yield* Simulator.Simulator
      yield* simulator.add(refAt(0), { content: utf8("hello"), blobFaults: [{ fault: "stall", after: 2 }] })
      const options = {
        directory,
        endpoint,
        windows: linkWindows({ perMinute: 7, perHour: 70 }),
        stallTimeout: "200 millis",
      } as const
      const { duration, limits } = yield* Effect.gen(function* () {
        const live = yield* LiveResponse
        const [duration] = yield* Effect.timed(live.save(refAt(0)))
        const { windows } = yield* (yield* Quota).status
        return { duration, limits: windows.map(({ limit }) => limit) }
      }).pipe(Effect.provide(layerOf(options)))
      assert.deepStrictEqual(limits, [7, 70])
      // By default a stall is detected after half a minute.
      assert.isBelow(Duration.toMillis(duration), 30_000)
    }).pipe(Effect.scoped, Effect.provide(server)),
  )

  it.live("fails at once if results can't be stored", () =>
    Effect.gen(function* () {
      const error = yield* saveAll(1).pipe(
        Effect.provide(layerOf({ directory: "/proc/live-response", endpoint: "http://127.0.0.1:1" })),
        Effect.flip,
      )
      assert.strictEqual(error._tag, "StoreError")
    }),
  )
})

describe("NodeLiveResponse: an endpoint that is not a URL", () => {
  const endpoint = "contoso"
  const layers = {
    layerApi: () => NodeLiveResponse.layerApi({ endpoint }),
    layerTransfer: () => NodeLiveResponse.layerTransfer({ endpoint }),
    layerFleet: () => NodeLiveResponse.layerFleet({ endpoint }),
  }
  it.effect.each(Object.entries(layers))("fails the layer, and throws nothing: %s", ([, layer]) =>
    Effect.gen(function* () {
      const built = Effect.scoped(Layer.build(Layer.provide(layer(), [token, QuotaStore.layerMemory])))
      const error = yield* Effect.flip(built)
      assert.strictEqual(error._tag, "ConfigError")
      assert.include(error.message, "endpoint")
    }),
  )
})

describe("NodeLiveResponse.layer: several tenants in one program", () => {
  /** Each tenant has a simulator with one result, whose content is the name of the tenant. */
  const tenantOf = Effect.fnUntraced(function* (name: string) {
    const tokens = [`token-${name}`]
    const services = yield* Layer.build(
      SimulatorServer.layer().pipe(Layer.provideMerge(Simulator.layer({ tokens })), Layer.fresh),
    )
    yield* Context.get(services, Simulator.Simulator).add(refAt(0), { content: utf8(name) })
    const directory = join(yield* tempDirectory, name)
    const endpoint = HttpServer.formatAddress(Context.get(services, HttpServer.HttpServer).address)
    const layer = NodeLiveResponse.layer({ directory, endpoint, owner: name }).pipe(
      Layer.provide(Credential.layerToken(Redacted.make(`token-${name}`))),
    )
    return { layer, stored: () => readFileSync(join(directory, refAt(0).machineActionId, "0.bin"), "utf8") }
  })
  const tenants = Effect.all({ a: tenantOf("a"), b: tenantOf("b") })

  it.live("each has its own services in a LayerMap", () =>
    Effect.gen(function* () {
      const { a, b } = yield* tenants
      const map = yield* LayerMap.make((name: "a" | "b") => ({ a, b })[name].layer)
      yield* Effect.forEach(["a", "b"] as const, (name) => Effect.provide(saveAll(1), map.get(name)), {
        concurrency: 2,
      })
      assert.deepStrictEqual([a.stored(), b.stored()], ["a", "b"])
    }).pipe(Effect.scoped, Effect.provide(QuotaStore.layerMemory)),
  )

  it.live("the layer of one, provided within that of another, is its own", () =>
    Effect.gen(function* () {
      const { a, b } = yield* tenants
      yield* saveAll(1).pipe(
        Effect.andThen(Effect.provide(saveAll(1), b.layer)),
        Effect.provide(a.layer.pipe(Layer.provideMerge(QuotaStore.layerMemory))),
      )
      assert.deepStrictEqual([a.stored(), b.stored()], ["a", "b"])
    }).pipe(Effect.scoped),
  )

  it.live("a layer that is provided twice is built once, or its directory would be locked", () =>
    Effect.gen(function* () {
      const { a } = yield* tenants
      const both = Layer.mergeAll(a.layer, Layer.effectDiscard(saveAll(1)).pipe(Layer.provide(a.layer)))
      yield* Effect.provide(saveAll(1), both.pipe(Layer.provide(QuotaStore.layerMemory)))
      assert.strictEqual(a.stored(), "a")
    }).pipe(Effect.scoped),
  )
})

describe("NodeLiveResponse.layer: the journal", () => {
  it.live.each([
    { what: "is", directory: "results", journal: "results" },
    { what: "is another name of", directory: "results", journal: "a/../results/" },
    { what: "is a link to", directory: "results", journal: "link" },
    { what: "is what a link leads to in", directory: "link", journal: "results" },
    { what: "is in a linked directory of", directory: "results", journal: "link/../results" },
  ])("takes one lock if the journal's directory $what the directory of results", ({ directory, journal }) =>
    Effect.gen(function* () {
      const root = yield* tempDirectory
      symlinkSync("results", join(root, "link"))
      mkdirSync(join(root, "results"))
      yield* Layer.build(layerOf({ directory: join(root, directory), journal: `${root}/${journal}` }))
      assert.isTrue(existsSync(join(root, "results", ".lock")))
    }).pipe(Effect.scoped),
  )

  it.live("takes two locks if they are two directories", () =>
    Effect.gen(function* () {
      const root = yield* tempDirectory
      const [directory, journal] = [join(root, "results"), join(root, "journal")]
      yield* Layer.build(layerOf({ directory, journal }))
      const again = yield* Effect.flip(Layer.build(layerOf({ directory: join(root, "others"), journal })))
      assert.strictEqual(again._tag === "StoreError" && again.problem, "InUse")
    }).pipe(Effect.scoped),
  )
})

describe("NodeLiveResponse.layerConfig", () => {
  const under = (env: Record<string, string>) =>
    NodeLiveResponse.layerConfig.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env))))

  it.live("is configured by the environment", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      yield* addAll
      const { events, failed, limits } = yield* Effect.gen(function* () {
        const events = yield* saveAll(6)
        const { windows } = yield* (yield* Quota).status
        return { events, limits: windows.map(({ limit }) => limit), failed: yield* (yield* Manifest).failed }
      }).pipe(
        Effect.provide(
          under({
            LIVE_RESPONSE_TOKEN: "token",
            LIVE_RESPONSE_ENDPOINT: yield* endpointOf,
            LIVE_RESPONSE_OUT: directory,
            XDG_STATE_HOME: yield* tempDirectory,
            LIVE_RESPONSE_PER_MINUTE: "50",
            LIVE_RESPONSE_PER_HOUR: "500",
            LIVE_RESPONSE_STALL_TIMEOUT: "10s",
            LIVE_RESPONSE_TIMEOUT: "5 minutes",
            LIVE_RESPONSE_OFFLINE_FOR: "2h",
          }),
        ),
      )
      assert.deepInclude(events.at(-1), { event: "summary", completed: 5, failed: 1 })
      assert.deepStrictEqual(limits, [50, 500])
      assert.deepStrictEqual(failed.map(String), [String(refAt(5))])
      assert.deepStrictEqual(readdirSync(directory).toSorted(), [refAt(0).machineActionId, "manifest.jsonl"])
    }).pipe(Effect.scoped, Effect.provide(server)),
  )

  it.live.each([
    { name: "LIVE_RESPONSE_ENDPOINT", value: "http://api.security.microsoft.com" },
    { name: "LIVE_RESPONSE_PER_MINUTE", value: "0" },
    { name: "LIVE_RESPONSE_PER_HOUR", value: "many" },
    { name: "LIVE_RESPONSE_STALL_TIMEOUT", value: "soon" },
    { name: "LIVE_RESPONSE_STALL_TIMEOUT", value: "0 seconds" },
    { name: "LIVE_RESPONSE_VISIBLE_WITHIN", value: "-1 seconds" },
    { name: "LIVE_RESPONSE_FOLLOW_EVERY", value: "Infinity" },
    { name: "LIVE_RESPONSE_FOLLOW_EVERY", value: "99999999999 days" },
    { name: "LIVE_RESPONSE_STORAGE_HOSTS", value: "https://storage.example.net/" },
    { name: "LIVE_RESPONSE_STORAGE_HOSTS", value: "contoso.com,." },
  ])("fails with the name of a variable that is wrong: $name", ({ name, value }) =>
    Effect.gen(function* () {
      const root = yield* tempDirectory
      const directory = join(root, "results")
      const env = { LIVE_RESPONSE_TOKEN: "token", LIVE_RESPONSE_OUT: directory, XDG_STATE_HOME: root }
      const error = yield* saveAll(1).pipe(Effect.provide(under({ ...env, [name]: value })), Effect.flip)
      assert.strictEqual(error._tag, "ConfigError")
      assert.include(error.message, name)
      assert.isFalse(existsSync(directory))
    }),
  )

  it.effect.each([
    { env: {}, expected: undefined },
    {
      env: { LIVE_RESPONSE_STORAGE_HOSTS: "*.contoso.com,blob.example.net" },
      expected: ["*.contoso.com", "blob.example.net"],
    },
    { env: { LIVE_RESPONSE_STORAGE_HOSTS: "any" }, expected: "any" },
  ])("reads the storage hosts: $env", ({ env, expected }) =>
    Effect.gen(function* () {
      const { storageHosts } = yield* NodeLiveResponse.environment
      assert.strictEqual(String(storageHosts), String(expected))
    }).pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env)))),
  )

  it.live("fails without a credential", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const error = yield* saveAll(1).pipe(
        Effect.provide(under({ LIVE_RESPONSE_OUT: directory, XDG_STATE_HOME: directory })),
        Effect.flip,
      )
      assert.strictEqual(error._tag === "CredentialError" && error.reason._tag, "Missing")
    }),
  )
})
