/** The machines over real sockets, against a server that is written from Microsoft's documentation. */
import { assert, describe, it } from "@effect/vitest"
import * as Credential from "@live-response/core/Credential"
import * as Machine from "@live-response/core/Machine"
import * as MachineFilter from "@live-response/core/MachineFilter"
import { Machines } from "@live-response/core/Machines"
import { linkWindows, Quota } from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TenantServer from "./support/tenantServer.ts"

const over = (endpoint: string) =>
  NodeLiveResponse.layerApi({ endpoint }).pipe(
    Layer.provide([Credential.layerToken(Redacted.make(TenantServer.bearer)), QuotaStore.layerMemory]),
  )

/** A machine as Microsoft's documentation shows one. */
const documented = {
  id: "1e5bc9d7e413ddd7902c2932e418702b84d0cc07",
  computerDnsName: "mymachine1.contoso.com",
  firstSeen: "2018-08-02T14:55:03.7791856Z",
  lastSeen: "2018-08-02T14:55:03.7791856Z",
  osPlatform: "Windows10",
  version: "1709",
  osProcessor: "x64",
  lastIpAddress: "172.17.230.209",
  lastExternalIpAddress: "167.220.196.71",
  osBuild: 18209,
  healthStatus: "Active",
  rbacGroupId: 140,
  rbacGroupName: "The-A-Team",
  riskScore: "Low",
  exposureLevel: "Medium",
  isAadJoined: true,
  aadDeviceId: "80fe8ff8-2624-418e-9591-41f0491218f9",
  machineTags: ["test tag 1", "test tag 2"],
  onboardingStatus: "Onboarded",
  deviceValue: "Normal",
}

const machineAt = (n: number) => ({ id: n.toString(16).padStart(40, "0"), computerDnsName: `WS-${n}.contoso.com` })

describe("Machines", () => {
  it.live("reads every field of a machine, and finds machines by tag", () =>
    Effect.gen(function* () {
      const server = yield* TenantServer.serve({ machines: [documented, machineAt(1)] })
      yield* Effect.gen(function* () {
        const machines = yield* Machines
        const machine = yield* machines.get(documented.id)
        assert.deepInclude(
          { ...machine },
          {
            computerDnsName: "mymachine1.contoso.com",
            osPlatform: "Windows10",
            healthStatus: "Active",
            rbacGroupId: 140,
            rbacGroupName: "The-A-Team",
            machineTags: ["test tag 1", "test tag 2"],
            aadDeviceId: "80fe8ff8-2624-418e-9591-41f0491218f9",
          },
        )
        assert.strictEqual(Machine.readiness(machine), "ready")
        const exact = yield* Stream.runCollect(machines.findByTag("test tag"))
        assert.deepStrictEqual(exact, [])
        const prefixed = yield* Stream.runCollect(machines.findByTag("test tag", { startsWith: true }))
        assert.deepStrictEqual(
          prefixed.map(({ id }) => id),
          [documented.id],
        )
        assert.deepStrictEqual(
          server.requests("GET", "/api/machines/findbytag").map(({ url }) => url),
          [
            "/api/machines/findbytag?tag=test%20tag&useStartsWithFilter=false",
            "/api/machines/findbytag?tag=test%20tag&useStartsWithFilter=true",
          ],
        )
        const unknown = yield* Effect.flip(machines.get("unknown"))
        assert.include(unknown.message, "check the machine's id: this tenant has no such machine")
      }).pipe(Effect.provide(over(server.endpoint)))
    }),
  )

  it.live("sends the documented filter as it is, and lists page by page to a 404 after the last one", () =>
    Effect.gen(function* () {
      const server = yield* TenantServer.serve({ machines: Array.from({ length: 4 }, (_, n) => machineAt(n)) })
      yield* Effect.gen(function* () {
        const machines = yield* Machines
        const filter = MachineFilter.all(
          MachineFilter.startsWith("computerDnsName", "WS-O'"),
          MachineFilter.is("osPlatform", "Windows10", "Windows11"),
          MachineFilter.hasTag("incident-42"),
          MachineFilter.inGroup(140),
          MachineFilter.seenSince(DateTime.makeUnsafe("2026-11-01T00:00:00Z")),
        )
        const found = yield* Stream.runCollect(machines.list({ filter, pageSize: 2 }))
        assert.deepStrictEqual(
          found.map(({ computerDnsName }) => computerDnsName),
          ["WS-0.contoso.com", "WS-1.contoso.com", "WS-2.contoso.com", "WS-3.contoso.com"],
        )
        const requests = server.requests("GET", "/api/machines")
        assert.deepStrictEqual(
          requests.map(({ query }) => query.get("$skip")),
          [null, "2", "4"],
        )
        for (const { query } of requests) {
          assert.strictEqual(
            query.get("$filter"),
            "(startswith(computerDnsName,'WS-O''')) and ((osPlatform eq 'Windows10' or osPlatform eq 'Windows11')) and (machineTags/any(tag: tag eq 'incident-42')) and (rbacGroupId eq 140) and (lastSeen ge 2026-11-01T00:00:00.000Z)",
          )
        }
        const quota = yield* Quota
        const { windows } = yield* Effect.flatMap(
          quota.ofApi({ name: "ListMachines", windows: linkWindows() }),
          ({ status }) => status,
        )
        assert.deepStrictEqual(
          windows.map(({ used }) => used),
          [3, 3],
        )
        assert.deepStrictEqual(
          (yield* quota.status).windows.map(({ used }) => used),
          [0, 0],
        )
      }).pipe(Effect.provide(over(server.endpoint)))
    }),
  )

  it.live("lists none where the API answers 404, and warns of a record that can't be read", () =>
    Effect.gen(function* () {
      const server = yield* TenantServer.serve({ machines: [] })
      const logs: Array<unknown> = []
      yield* Effect.gen(function* () {
        const machines = yield* Machines
        assert.deepStrictEqual(yield* Stream.runCollect(machines.list()), [])
        server.machines.push({ id: null, computerDnsName: "no-id" }, machineAt(1))
        const found = yield* Stream.runCollect(machines.list())
        assert.deepStrictEqual(
          found.map(({ id }) => id),
          [machineAt(1).id],
        )
      }).pipe(
        Effect.provide([
          over(server.endpoint),
          Logger.layer([Logger.make(({ message }) => logs.push(...[message].flat()))]),
        ]),
      )
      assert.deepStrictEqual(logs, ["record 1 of the list can't be read: it has no id"])
    }),
  )
})

describe("Machine.readiness", () => {
  it("says which machines are offline or not onboarded, and that live response can run on the others", () => {
    const of = (healthStatus?: string, onboardingStatus?: string) => {
      const result = Machine.fromApi({ id: "m", healthStatus, onboardingStatus })
      return result._tag === "Success" ? Machine.readiness(result.success) : result.failure
    }
    assert.strictEqual(of(), "ready")
    assert.strictEqual(of("Active", "Onboarded"), "ready")
    assert.strictEqual(of("inactive", "Onboarded"), "offline")
    assert.strictEqual(of("ImpairedCommunication", "Onboarded"), "offline")
    assert.strictEqual(of("Inactive", "CanBeOnboarded"), "not onboarded")
    assert.strictEqual(of("Active", "Unsupported"), "not onboarded")
    assert.strictEqual(of("Somehow", "SomeNewWord"), "ready")
  })
})
