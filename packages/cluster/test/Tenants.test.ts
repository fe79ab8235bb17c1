/** The registry of tenants: what an administrator decides about each. */
import { assert, describe, it } from "@effect/vitest"
import * as Database from "@live-response/cluster/Database"
import * as Tenants from "@live-response/cluster/Tenants"
import { everything } from "@live-response/core/ActionSelection"
import * as Cloud from "@live-response/core/Cloud"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import { named, newTenant, registry } from "./support/owners.ts"
import { startServer } from "./support/server.ts"

startServer()

const problemOf = <A, E>(effect: Effect.Effect<A, E | Tenants.TenantError>) =>
  Effect.map(Effect.flip(effect), (error) => (error instanceof Tenants.TenantError ? error.problem : String(error)))

const contoso: Tenants.NewTenant = {
  name: "Contoso",
  cloud: "eu",
  endpoint: "https://gateway.example/",
  selection: {
    ...everything,
    type: ["LiveResponse", "CollectInvestigationPackage"],
    requestor: ["soc@contoso.com"],
    since: DateTime.makeUnsafe("2026-11-01T00:00:00Z"),
  },
  credential: { kind: "certificate", clientId: "00000000-0000-4000-8000-00000000000a", file: "contoso/app.pem" },
}

describe("Tenants", () => {
  it.live("gives back each setting, and the defaults of those that were not given", () =>
    Effect.gen(function* () {
      const { add, get } = yield* Tenants.Tenants
      const [one, another] = [newTenant(), newTenant()]
      yield* add(one, { ...contoso, storagePrefix: `customers/${one}` })
      yield* add(another, named("fabrikam"))
      const found = yield* get(one)
      assert.deepStrictEqual(found, {
        ...contoso,
        cloud: "eu",
        selection: contoso.selection ?? everything,
        storagePrefix: `customers/${one}`,
        tenant: one,
        enabled: true,
        revision: 0,
      })
      assert.deepStrictEqual(Tenants.cloudOf(found), { ...Cloud.clouds.eu, base: "https://gateway.example" })
      assert.deepStrictEqual(yield* get(another), {
        ...named("fabrikam"),
        cloud: "commercial",
        selection: everything,
        storagePrefix: another,
        tenant: another,
        enabled: true,
        revision: 0,
      })
    }).pipe(Effect.provide(registry)),
  )

  it.live(
    "changes settings on top of what somebody else changed meanwhile, and raises the revision and the epoch",
    () =>
      Effect.gen(function* () {
        const { add, claim, get, set } = yield* Tenants.Tenants
        const tenant = newTenant()
        yield* add(tenant, named("contoso"))
        const epoch = yield* claim(tenant)
        // Each of them reads the same revision first, and all but one find another one when they write.
        const changes: ReadonlyArray<Partial<Tenants.Settings>> = [
          { cloud: "us" },
          { name: "theirs" },
          { endpoint: "https://gateway.example" },
        ]
        yield* Effect.forEach(
          changes,
          (change) => set(tenant, (settings) => Effect.succeed({ ...settings, ...change })),
          {
            concurrency: "unbounded",
          },
        )
        const { cloud, endpoint, name, revision } = yield* get(tenant)
        assert.deepStrictEqual(Object.assign({}, ...changes), { cloud, endpoint, name })
        assert.strictEqual(revision, 3)
        assert.strictEqual(yield* claim(tenant), epoch + 4)
      }).pipe(Effect.provide(registry)),
  )

  it.live("refuses the prefix of another tenant, also of one that was removed, and settings that are not valid", () =>
    Effect.gen(function* () {
      const { add, get, remove, set } = yield* Tenants.Tenants
      const [one, another] = [newTenant(), newTenant()]
      yield* add(one, { ...named("one"), storagePrefix: `shared/${one}` })
      yield* remove(one)
      const taken = { ...named("another"), storagePrefix: `shared/${one}` }
      assert.strictEqual(yield* problemOf(add(another, taken)), "PrefixTaken")
      assert.strictEqual(yield* problemOf(get(another)), "Unknown")
      yield* add(another, named("another"))
      assert.strictEqual(
        yield* problemOf(set(another, (settings) => Effect.succeed({ ...settings, ...taken }))),
        "PrefixTaken",
      )
      for (const change of [
        { storagePrefix: "../other" },
        { name: "" },
        { endpoint: "http://gateway.example" },
        { credential: { kind: "app", clientId: "a secret", file: "secret" } },
      ] satisfies ReadonlyArray<Partial<Tenants.Settings>>) {
        const error = yield* Effect.flip(set(another, (settings) => Effect.succeed({ ...settings, ...change })))
        assert.match(error.message, /^tenant \S+: these settings are not valid: [^\n]+$/)
      }
      assert.strictEqual((yield* get(another)).revision, 0)
      for (const storagePrefix of ["shared", `shared/${one}/2026`]) {
        assert.strictEqual(yield* problemOf(add(another, { ...taken, storagePrefix })), "PrefixTaken", storagePrefix)
      }
      yield* add(another, { ...taken, storagePrefix: `shared/${one}.2` })
      // It has its prefix again, because its results are there.
      yield* add(one, named("one again"))
      assert.strictEqual((yield* get(one)).storagePrefix, `shared/${one}`)
    }).pipe(Effect.provide(registry)),
  )

  it.live("gives one of two prefixes to a tenant, where one is within the other and both are given at once", () =>
    Effect.gen(function* () {
      const { add } = yield* Tenants.Tenants
      const top = newTenant()
      const prefixes = Array.from({ length: 8 }, (_, n) => (n % 2 === 0 ? top : `${top}/${n}`))
      const adding = prefixes.map((storagePrefix, n) =>
        Effect.result(add(newTenant(), { ...named(`tenant ${n}`), storagePrefix })),
      )
      const results = yield* Effect.all(adding, { concurrency: "unbounded" })
      const taken = prefixes.filter((_, n) => results[n]?._tag === "Success")
      assert.isTrue(taken.length === 1 || !taken.includes(top), taken.join())
    }).pipe(Effect.provide(registry)),
  )

  it.live("lists tenants by name, and names one that is not there", () =>
    Effect.gen(function* () {
      const { add, enable, get, list, remove, set } = yield* Tenants.Tenants
      const [one, another, nobody] = [newTenant(), newTenant(), newTenant()]
      yield* add(one, named("zeta"))
      yield* add(another, named("alpha"))
      yield* enable(one, false)
      yield* add(one, named("beta"))
      const listed = (yield* list).filter(({ tenant }) => tenant === one || tenant === another)
      assert.deepStrictEqual(
        listed.map(({ enabled, name, tenant }) => ({ enabled, name, tenant })),
        [
          { enabled: true, name: "alpha", tenant: another },
          { enabled: false, name: "beta", tenant: one },
        ],
      )
      yield* remove(one)
      assert.isFalse((yield* list).some(({ tenant }) => tenant === one))
      for (const use of [remove(one), enable(nobody, true), get(nobody), set(one, Effect.succeed)]) {
        assert.match((yield* Effect.flip(use)).message, /^tenant \S+ is not in the registry; add it first$/)
      }
    }).pipe(Effect.provide(registry)),
  )

  it.live("gives a name to one tenant where several programs give it at once, and only where that is asked for", () =>
    Effect.gen(function* () {
      const { add, set } = yield* Tenants.Tenants
      const ids = Array.from({ length: 8 }, newTenant)
      const adding = ids.map((id, n) =>
        Effect.result(add(id, named(n % 2 === 0 ? "wingtip" : "WingTip"), { distinctName: true })),
      )
      const results = yield* Effect.all(adding, { concurrency: "unbounded" })
      const winners = ids.filter((_, n) => results[n]?._tag === "Success")
      assert.lengthOf(winners, 1)
      for (const result of results.filter(Result.isFailure)) {
        assert.match(
          result.failure.message,
          new RegExp(`^tenant ${winners[0]} has the name wingtip; choose another name$`, "i"),
        )
      }
      const other = newTenant()
      yield* add(other, named("tailspin"), { distinctName: true })
      const rename = (name: string) =>
        set(other, (settings) => Effect.succeed({ ...settings, name }), { distinctName: true })
      assert.match((yield* Effect.flip(rename("Wingtip"))).message, /has the name/)
      yield* rename("Tailspin")
      yield* add(newTenant(), named("wingtip"))
    }).pipe(Effect.provide(registry)),
  )

  it.live(
    "leaves out a tenant whose settings can't be read, with a warning that names it, and lists the others",
    () => {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => lines.push(String(message)))
      return Effect.gen(function* () {
        const { add, get, list } = yield* Tenants.Tenants
        const [broken, whole] = [newTenant(), newTenant()]
        yield* add(broken, named("broken"))
        yield* add(whole, named("whole"))
        yield* Database.Database.use(({ query }) =>
          query(
            (sql) => sql`update live_response.tenants set settings = '{"cloud":"moon"}' where tenant = ${broken}::uuid`,
          ),
        )
        const tenants = new Set((yield* list).map(({ tenant }) => tenant))
        // A runner reads them every few seconds.
        yield* list
        assert.isTrue(tenants.has(whole))
        assert.isFalse(tenants.has(broken))
        assert.lengthOf(
          lines.filter((line) => line.includes(`tenant ${broken} is left out`)),
          1,
        )
        assert.strictEqual(yield* problemOf(get(broken)), "Unreadable")
        yield* add(broken, named("whole again"))
        assert.strictEqual((yield* get(broken)).name, "whole again")
      }).pipe(Effect.provide([registry, Logger.layer([logger])]))
    },
  )
})
