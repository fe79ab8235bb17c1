import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TenantServer from "../../node/test/support/tenantServer.ts"
import * as Cli from "./support/CliInProcess.ts"
import { machineAt, machines } from "./support/Machines.ts"
import * as ServedSimulator from "./support/ServedSimulator.ts"

const records = [
  { osPlatform: "Windows11", machineTags: ["incident-42", "lab"], riskScore: "High", rbacGroupId: 140 },
  { osPlatform: "Windows10", machineTags: ["incident-42"], rbacGroupId: 140, rbacGroupName: "The-A-Team" },
  {
    osPlatform: "Linux",
    healthStatus: "Inactive",
    lastSeen: "2026-01-01T00:00:00Z",
    rbacGroupId: 7,
    rbacGroupName: "42",
  },
  { computerDnsName: "WS-30.contoso.com", onboardingStatus: "CanBeOnboarded", rbacGroupName: "\u001b[31mred" },
] as const

describe("machines list", () => {
  it.live("lists the machines that the simulator selects by each flag, and none where none matches", () =>
    Effect.gen(function* () {
      const { env } = yield* ServedSimulator.serve({ machines: machines(4, (n) => ({ record: records[n] })) })
      const box = yield* Cli.sandbox
      const listed = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
        const { exitCode, stderr, stdout } = yield* box.run({ args: ["machines", "list", ...args], env })
        assert.deepStrictEqual([exitCode, stderr], [0, ""])
        return stdout.split("\n").flatMap((line) => (line === "" ? [] : [line.split("\t")[0]]))
      })
      const at = (...numbers: ReadonlyArray<number>) => numbers.map(machineAt)
      assert.deepStrictEqual(yield* listed(), at(0, 1, 2, 3))
      assert.deepStrictEqual(yield* listed("--tag", "incident-42"), at(0, 1))
      assert.deepStrictEqual(yield* listed("--tag", "incident-42", "--os", "windows11"), at(0))
      assert.deepStrictEqual(yield* listed("--os", "Windows10", "--os", "Linux"), at(1, 2))
      assert.deepStrictEqual(yield* listed("--health", "Inactive"), at(2))
      assert.deepStrictEqual(yield* listed("--risk", "High"), at(0))
      assert.deepStrictEqual(yield* listed("--group", "140"), at(0, 1))
      assert.deepStrictEqual(yield* listed("--group", "the-a-team"), at(1))
      assert.deepStrictEqual(yield* listed("--group", "42", "--group", "the-a-team"), at(1, 2))
      assert.deepStrictEqual(yield* listed("--group", "42"), at(2))
      assert.deepStrictEqual(yield* listed("--name", "ws-*"), at(0, 1, 2, 3))
      assert.deepStrictEqual(yield* listed("--name", "Ws-3*", "--name", "WS-2"), at(2, 3))
      assert.deepStrictEqual(yield* listed("--name", "ws-1", "--name", "WS-30.contoso.com"), at(1, 3))
      assert.deepStrictEqual(yield* listed("--name", "ws"), [])
      assert.deepStrictEqual(yield* listed("--last-seen", "7d"), at(0, 1, 3))
      assert.deepStrictEqual(yield* listed("--filter", "id eq 'nobody'"), [])
    }),
  )

  it.live("prints what the API says of a machine, safe for a terminal, and as JSON", () =>
    Effect.gen(function* () {
      const { env } = yield* ServedSimulator.serve({ machines: machines(4, (n) => ({ record: records[n] })) })
      const box = yield* Cli.sandbox
      const table = yield* box.run({ args: ["machines", "list", "--name", "WS-30"], env })
      const [id, name, os, health, , risk, group] = table.stdout.trimEnd().split("\t")
      assert.deepStrictEqual(
        [id, name, os, health, risk, group],
        [machineAt(3), "WS-30.contoso.com", "Windows11", "not onboarded", "None", "\uFFFD[31mred"],
      )
      const json = yield* box.run({ args: ["machines", "list", "--tag", "lab", "--json"], env })
      assert.deepInclude(Cli.ndjson(json.stdout)[0], {
        id: machineAt(0),
        computerDnsName: "ws-0.contoso.com",
        machineTags: ["incident-42", "lab"],
        healthStatus: "Active",
        onboardingStatus: "Onboarded",
        rbacGroupId: 140,
      })
    }),
  )

  it.live("--format prints a table, JSON, or CSV that a spreadsheet shows as text", () =>
    Effect.gen(function* () {
      const record = {
        ...records[0],
        rbacGroupName: '=cmd|"calc"!A1',
        machineTags: ["a", "b"],
        lastSeen: "2026-11-24T10:00:00Z",
      }
      const { env } = yield* ServedSimulator.serve({ machines: machines(1, () => ({ record })) })
      const box = yield* Cli.sandbox
      const list = (...args: ReadonlyArray<string>) => box.run({ args: ["machines", "list", ...args], env })
      const csv = (yield* list("--format", "csv")).stdout.split("\n")
      assert.strictEqual(csv[0], "ID,NAME,OS,HEALTH,LAST SEEN,RISK,GROUP,TAGS")
      assert.match(
        csv[1] ?? "",
        /^[0-9a-f]{40},ws-0\.contoso\.com,Windows11,Active,[^,]*,High,"'=cmd\|""calc""!A1","a, b"$/,
      )
      const table = (yield* list("--format", "table")).stdout.split("\n")
      assert.match(table[0] ?? "", /^NAME +OS +HEALTH .* ID$/)
      assert.match((yield* list()).stdout, /^[0-9a-f]{40}\tws-0/)
      const json = yield* list("--format", "json")
      assert.deepStrictEqual(json, yield* list("--json"))
      const both = yield* list("--format", "csv", "--json")
      assert.deepStrictEqual(
        [both.exitCode, both.stderr],
        [2, "live-response: choose either --json or another --format\n"],
      )
    }),
  )

  const selected = {
    id: machineAt(0),
    computerDnsName: "ws-0.contoso.com",
    lastSeen: "2999-01-01T00:00:00Z",
    osPlatform: "Windows11",
    healthStatus: "Active",
    riskScore: "High",
    machineTags: ["incident-42"],
  }

  it.live.each([
    { flags: ["--tag", "incident-42"], field: "machineTags", others: [["incident-421"], []] },
    { flags: ["--os", "windows11"], field: "osPlatform", others: ["Windows10"] },
    { flags: ["--health", "active"], field: "healthStatus", others: ["Inactive"] },
    { flags: ["--risk", "high"], field: "riskScore", others: ["Low"] },
    { flags: ["--name", "ws-0"], field: "computerDnsName", others: ["dc-1.contoso.com"] },
    { flags: ["--last-seen", "7d"], field: "lastSeen", others: ["2001-01-01T00:00:00Z"] },
  ])("leaves out what a server that ignores the filter of $flags lists, with one warning", ({ field, flags, others }) =>
    Effect.gen(function* () {
      const wrong = [...others, null].map((value, n) => ({ ...selected, id: machineAt(n + 1), [field]: value }))
      // A machine that was never seen says nothing of the filter.
      const counted = field === "lastSeen" ? others : wrong
      const server = yield* TenantServer.serve({ machines: [...wrong, selected] })
      const env = TenantServer.envOf(server)
      const box = yield* Cli.sandbox
      const { exitCode, stderr, stdout } = yield* box.run({ args: ["machines", "list", ...flags], env })
      assert.deepStrictEqual(
        [exitCode, stderr],
        [
          0,
          `live-response: the list has machines that do not match the selection, which are left out (${counted.length}): the server ignores $filter; check --endpoint, and the gateway or proxy before it\n`,
        ],
      )
      assert.deepStrictEqual(
        stdout
          .trimEnd()
          .split("\n")
          .map((line) => line.split("\t")[0]),
        [selected.id],
      )
    }),
  )

  it.live(
    "takes another case of a tag, a system, a health or a risk for no sign that the server ignores the filter",
    () =>
      Effect.gen(function* () {
        const other = { ...selected, machineTags: ["INCIDENT-42"], osPlatform: "windows11", riskScore: "HIGH" }
        const server = yield* TenantServer.serve({ machines: [other] })
        const box = yield* Cli.sandbox
        const flags = ["--tag", "incident-42", "--os", "Windows11", "--risk", "High"]
        const { exitCode, stderr, stdout } = yield* box.run({
          args: ["machines", "list", ...flags],
          env: TenantServer.envOf(server),
        })
        assert.deepStrictEqual([exitCode, stderr, stdout.split("\t")[0]], [0, "", selected.id])
      }),
  )

  it.live("reports a record that an independent server spoils, and lists the others", () =>
    Effect.gen(function* () {
      const server = yield* TenantServer.serve({ machines: [{ id: null }, { id: machineAt(1) }] })
      const env = TenantServer.envOf(server)
      const box = yield* Cli.sandbox
      const { exitCode, stderr, stdout } = yield* box.run({ args: ["machines", "list"], env })
      assert.deepStrictEqual(
        [exitCode, stderr, stdout.split("\t")[0]],
        [1, "live-response: record 1 of the list can't be read: it has no id\n", machineAt(1)],
      )
      const star = yield* box.run({ args: ["machines", "list", "--name", "*"], env })
      assert.strictEqual(star.exitCode, 2)
      assert.include(star.stderr, "a DNS name, its first part, or a beginning such as 'ws-*'")
    }),
  )
})
