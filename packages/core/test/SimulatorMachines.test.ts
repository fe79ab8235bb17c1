import { assert, describe, it } from "@effect/vitest"
import type * as Simulator from "@live-response/core/testing/Simulator"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import { errorOf, get, layer, origin, valuesOf } from "./support/simulated.ts"

const id = (n: number) => n.toString(16).padStart(40, "a")

const machines: ReadonlyArray<Simulator.Machine> = [
  { id: id(0), name: "C-Lab-0.contoso.com", record: { machineTags: ["incident-42", "lab"], rbacGroupId: 140 } },
  { id: id(1), name: "c-lab-1.contoso.com", record: { machineTags: ["incident-421"], osPlatform: "Windows10" } },
  { id: id(2), offline: "1 hour", record: { riskScore: "High", aadDeviceId: "80fe8ff8-2624-418e-9591-41f0491218f9" } },
  { id: id(3), name: "o'brien", offline: Infinity, record: { lastSeen: "2018-08-02T14:55:03.7791856Z" } },
]

const Ids = Schema.Struct({ id: Schema.String })

const idsOf = (query: string) =>
  Effect.map(valuesOf(`/api/machines${query}`, Ids), (page) => page.value.map(({ id }) => id))

describe("Simulator: machines", () => {
  it.effect("have every property that Microsoft documents", () =>
    Effect.gen(function* () {
      const answer = yield* get(`${origin}/api/machines/${id(0)}`)
      assert.strictEqual(answer.status, 200)
      const record = yield* Schema.decodeEffect(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))(
        answer.text,
      )
      assert.sameMembers(
        Object.keys(record),
        `@odata.context id computerDnsName firstSeen lastSeen osPlatform onboardingStatus osProcessor version osBuild
        lastIpAddress lastExternalIpAddress healthStatus rbacGroupName rbacGroupId riskScore aadDeviceId machineTags
        exposureLevel deviceValue ipAddresses osArchitecture isAadJoined`.split(/\s+/),
      )
      assert.strictEqual(record["@odata.context"], `${origin}/api/$metadata#Machines/$entity`)
      assert.strictEqual(record["healthStatus"], "Active")
    }).pipe(Effect.provide(layer({ machines }))),
  )

  it.effect("are found by id or by name in any case, or not at all", () =>
    Effect.gen(function* () {
      for (const name of [id(1), id(1).toUpperCase(), "c-lab-1.contoso.com", "C-LAB-1.CONTOSO.COM"]) {
        const { text } = yield* get(`${origin}/api/machines/${name}`)
        assert.strictEqual((yield* Schema.decodeEffect(Schema.fromJsonString(Ids))(text)).id, id(1))
      }
      const missing = yield* get(`${origin}/api/machines/unknown`)
      assert.strictEqual(missing.status, 404)
      assert.strictEqual((yield* errorOf(missing)).code, "ResourceNotFound")
    }).pipe(Effect.provide(layer({ machines }))),
  )

  it.effect.each<{ readonly filter: string; readonly found: ReadonlyArray<number> }>([
    { filter: "computerDnsName eq 'C-Lab-0.contoso.com'", found: [0] },
    { filter: "computerDnsName eq 'c-lab-0.contoso.com'", found: [] },
    { filter: "ComputerDnsName eq 'o''brien'", found: [3] },
    { filter: "startswith(computerDnsName,'c-lab')", found: [1] },
    { filter: "startswith( computerDnsName , 'C-' ) or endswith(computerDnsName,'brien')", found: [0, 3] },
    { filter: "contains(computerDnsName,'contoso')", found: [0, 1] },
    { filter: "machineTags/any(tag: tag eq 'incident-42')", found: [0] },
    { filter: "machineTags/any(t:startswith(t,'incident'))", found: [0, 1] },
    { filter: "osPlatform in ('Windows10', 'Linux')", found: [1] },
    { filter: "OsPlatform ne 'Windows10' AND riskScore eq 'None'", found: [0, 3] },
    { filter: "not (riskScore eq 'High' or osPlatform eq 'Windows10')", found: [0, 3] },
    { filter: "not startswith(computerDnsName,'C') and rbacGroupId lt 100", found: [1, 2, 3] },
    { filter: "rbacGroupId eq 140", found: [0] },
    { filter: "rbacGroupId gt 9", found: [0] },
    { filter: "aadDeviceId eq 80fe8ff8-2624-418e-9591-41f0491218f9", found: [2] },
    { filter: "lastSeen gt 2018-08-01Z and lastSeen lt 2018-08-03", found: [3] },
    { filter: "lastSeen ge 2018-08-02T14:55:03.779Z and lastSeen le 2018-08-02T14:55:03.7799999Z", found: [3] },
    { filter: "healthStatus ne 'Active'", found: [3] },
    { filter: "aadDeviceId ne null", found: [2] },
    { filter: "aadDeviceId eq null and onboardingStatus eq 'Onboarded'", found: [0, 1, 3] },
  ])("are selected by $filter: $filter", ({ filter, found }) =>
    Effect.gen(function* () {
      // Later than the times in the filters, which a clock at 1970 would not be.
      yield* TestClock.setTime(Date.UTC(2026, 10, 26))
      const query = `?$filter=${encodeURIComponent(filter)}`
      if (found.length === 0) return assert.strictEqual((yield* get(`${origin}/api/machines${query}`)).status, 404)
      assert.deepStrictEqual(yield* idsOf(query), found.map(id))
      const count = yield* get(`${origin}/api/machines/$count${query}`)
      assert.strictEqual(count.text, String(found.length))
    }).pipe(Effect.provide(layer({ machines }))),
  )

  it.effect.each([
    { query: "$filter=rbacGroupName eq 'A'" },
    { query: "$filter=rbacGroupId eq '140'" },
    { query: "$filter=healthStatus eq Active" },
    { query: "$filter=healthStatus in ('Active',Inactive)" },
    { query: "$filter=lastSeen gt '2020-01-01'" },
    { query: "$filter=lastSeen gt banana" },
    { query: "$filter=riskScore eq 5" },
    { query: "$filter=machineTags eq 'x'" },
    { query: "$filter=osPlatform/any(x: x eq 'a')" },
    { query: "$filter=startswith(rbacGroupId,'1')" },
    { query: "$filter=unknown eq 'A'" },
    { query: "$filter=computerDnsName" },
    { query: "$filter=computerDnsName eq" },
    { query: "$filter=computerDnsName is 'a'" },
    { query: "$filter=computerDnsName eq 'a" },
    { query: "$filter=computerDnsName eq 'a' and" },
    { query: "$filter=computerDnsName eq 'a' computerDnsName eq 'b'" },
    { query: "$filter=(computerDnsName eq 'a'" },
    { query: "$filter=osPlatform in ()" },
    { query: "$filter=osPlatform in ('a','b'" },
    { query: "$filter=startswith(computerDnsName)" },
    { query: "$filter=tolower(computerDnsName) eq 'a'" },
    { query: "$filter=machineTags/any(osPlatform eq 'a')" },
    { query: `$filter=${"(".repeat(4000)}` },
    { query: "$filter=" },
    { query: "$top=10001" },
    { query: "$top=-1" },
    { query: "$top=ten" },
    { query: "$skip=1.5" },
    { query: "$count=yes" },
    { query: "$orderby=unknown" },
    { query: "$orderby=lastSeen down" },
    { query: "$select=id,unknown" },
    { query: "$expand=alerts" },
    { query: "$search=a" },
    { query: "top=1" },
    { query: "filter=id eq 'a'" },
    { query: "$top=1&$top=2" },
  ])("are refused for a query that the service can't answer: $query", ({ query }) =>
    Effect.gen(function* () {
      const answer = yield* get(`${origin}/api/machines?${query}`)
      assert.strictEqual(answer.status, 400)
      assert.strictEqual((yield* errorOf(answer)).code, "ODataError")
    }).pipe(Effect.provide(layer({ machines }))),
  )

  it.effect("are listed in pages, counted, ordered and in part", () =>
    Effect.gen(function* () {
      const all = yield* valuesOf("/api/machines?$count=true&$orderby=rbacGroupId desc,computerDnsName", Ids)
      assert.strictEqual(all["@odata.count"], 4)
      assert.strictEqual(all["@odata.context"], `${origin}/api/$metadata#Machines`)
      assert.strictEqual(all.value[0]?.id, id(0))
      const first = all["@odata.nextLink"] ?? ""
      const second = yield* valuesOf(first.slice(origin.length), Ids)
      assert.isUndefined(second["@odata.nextLink"])
      assert.lengthOf(new Set([...all.value, ...second.value].map(({ id }) => id)), 4)
      assert.deepStrictEqual(yield* idsOf("?$top=1&$skip=3"), [id(3)])
      const part = yield* get(`${origin}/api/machines?$select=ID,osPlatform&$top=1`)
      assert.include(part.text, `"value":[{"id":"${id(0)}","osPlatform":"Windows11"}]`)
      // $top is the number of records in all pages.
      const top = yield* valuesOf("/api/machines?$top=3", Ids)
      const rest = yield* valuesOf((top["@odata.nextLink"] ?? "").slice(origin.length), Ids)
      assert.deepStrictEqual([top.value.length, rest.value.length, rest["@odata.nextLink"]], [2, 1, undefined])
    }).pipe(Effect.provide(layer({ machines, pageSize: 2 }))),
  )

  it.effect("are a 404 where none is recent", () =>
    Effect.gen(function* () {
      for (const query of ["", "?$skip=5"]) {
        const answer = yield* get(`${origin}/api/machines${query}`)
        assert.strictEqual(answer.status, 404)
        assert.strictEqual((yield* errorOf(answer)).code, "ResourceNotFound")
      }
    }).pipe(Effect.provide(layer())),
  )

  it.effect("are found by tag, or by the start of one", () =>
    Effect.gen(function* () {
      const found = (query: string) =>
        Effect.map(valuesOf(`/api/machines/findbytag?${query}`, Ids), ({ value }) => value.map(({ id }) => id))
      assert.deepStrictEqual(yield* found("tag=incident-42"), [id(0)])
      assert.deepStrictEqual(yield* found("tag=incident-42&useStartsWithFilter=true"), [id(0), id(1)])
      assert.deepStrictEqual(yield* found("tag=Incident-42&useStartsWithFilter=false"), [])
      for (const query of ["", "?tag=", "?tag=a&useStartsWithFilter=maybe", "?tag=a&$top=1"]) {
        assert.strictEqual((yield* get(`${origin}/api/machines/findbytag${query}`)).status, 400, query)
      }
    }).pipe(Effect.provide(layer({ machines }))),
  )

  it.effect("are found under any spelling of the path", () =>
    Effect.gen(function* () {
      for (const path of ["/api/v1.0/machines", "/API/Machines", "/api/machines/", "/Api/V1.0/MACHINES"]) {
        assert.strictEqual((yield* get(`${origin}${path}`)).status, 200, path)
      }
      for (const path of ["/machines", "/api/v2.0/machines", "/api", "/api/machines/%zz", "/api/machines/a/b"]) {
        assert.strictEqual((yield* get(`${origin}${path}`)).status, 404, path)
      }
    }).pipe(Effect.provide(layer({ machines }))),
  )
})
