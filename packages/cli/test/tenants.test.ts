import { assert, describe, it } from "@effect/vitest"
import type { Settings } from "@live-response/cluster/Tenants"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Handler from "../src/commands/tenants/handler.ts"
import * as Cli from "./support/CliInProcess.ts"
import * as ClusterDatabase from "./support/ClusterDatabase.ts"

const database = ClusterDatabase.shared()

const contoso = "e0a8f26e-8b12-4ee4-9ac9-4a4ecb3d1b8f"
const fabrikam = "b1a8f26e-8b12-4ee4-9ac9-4a4ecb3d1b8f"
const app = "1f6a3c7a-6c2b-4f0e-b6b1-2c8f6d8f5c11"
const identity = "2f6a3c7a-6c2b-4f0e-b6b1-2c8f6d8f5c22"

const tenants = (...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const box = yield* Cli.sandbox
    return yield* box.run({ args: ["tenants", ...args], env: database().runner })
  }).pipe(Effect.scoped)

/** Runs a command that must succeed, and returns the tenants that it prints. */
const printed = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const { exitCode, stderr, stdout } = yield* tenants(...args, "--json")
  assert.deepStrictEqual([exitCode, stderr], [0, ""])
  return Cli.ndjson(stdout)
})

/** Runs a command that must be refused in one line. */
const refused = Effect.fnUntraced(function* (says: RegExp, ...args: ReadonlyArray<string>) {
  const { exitCode, stderr, stdout } = yield* tenants(...args)
  assert.deepStrictEqual([exitCode, stdout], [2, ""], stderr)
  assert.match(stderr, /^live-response: [^\n]+\n$/)
  assert.match(stderr, says)
})

const secret = ["--credential", "app", "--client-id", app, "--credential-file", "contoso/secret"]
const selection = { status: [], type: [], machine: [], requestor: [] }

const added = {
  tenant: contoso,
  enabled: true,
  name: "Contoso",
  cloud: "commercial",
  selection,
  storagePrefix: contoso,
  credential: { kind: "app", clientId: app, file: "contoso/secret" },
}

/** The tenants of rows, without how often they were changed, and how just now. */
const withoutRevision = (rows: ReadonlyArray<Readonly<Record<string, unknown>>>) =>
  rows.map(({ change: _change, revision: _revision, ...row }) => row)

const empty = Effect.suspend(() => database().query("delete from live_response.tenants"))

describe("tenants", () => {
  it.live("adds, changes, disables, enables and removes a tenant", () =>
    Effect.gen(function* () {
      yield* empty
      assert.deepStrictEqual(yield* printed("list"), [])
      const first = yield* printed("add", contoso.toUpperCase(), "--name", "Contoso", ...secret)
      assert.deepStrictEqual(withoutRevision(first), [added])
      assert.deepStrictEqual(withoutRevision(yield* printed("list")), [added])

      const selected = ["--requestor", "soc@contoso.com", "--machine", "ws-1", "--filter", "machineId ne 'x'"]
      const changed = yield* printed("set", "contoso", ...selected, "--cloud", "eu", "--storage-prefix", "eu/contoso")
      const now = { ...added, cloud: "eu", storagePrefix: "eu/contoso" }
      const chosen = { ...selection, requestor: ["soc@contoso.com"], machine: ["ws-1"], filter: "machineId ne 'x'" }
      assert.deepStrictEqual(withoutRevision(changed), [{ ...now, selection: chosen }])

      const [all] = withoutRevision(yield* printed("set", contoso, "--all-actions", "--name", "Contoso Ltd"))
      assert.deepStrictEqual(all, { ...now, name: "Contoso Ltd" })

      assert.deepInclude((yield* printed("disable", "contoso ltd"))[0], { enabled: false })
      assert.deepInclude((yield* printed("enable", contoso))[0], { enabled: true })
      assert.deepInclude((yield* printed("remove", "Contoso Ltd", "--yes"))[0], { change: "removed" })
      assert.deepStrictEqual(yield* printed("list"), [])
      const again = yield* printed("add", contoso, "--name", "Contoso", ...secret)
      assert.deepInclude(again[0], { enabled: true, storagePrefix: "eu/contoso" })
    }),
  )

  it.live("says whether a tenant that is added or set was new, changed, or had these settings", () =>
    Effect.gen(function* () {
      yield* empty
      const add = (...args: ReadonlyArray<string>) => tenants("add", contoso, "--name", "Contoso", ...secret, ...args)
      const said = (ended: Cli.Ended) => ended.stderr.slice(ended.stderr.indexOf(": ") + 2)
      assert.strictEqual(said(yield* add()), "added; its results are collected\n")
      assert.strictEqual(said(yield* add()), "unchanged; its results are collected\n")
      assert.strictEqual(said(yield* add("--cloud", "eu")), "changed; its results are collected\n")
      const json = yield* add("--cloud", "eu", "--json")
      assert.deepInclude(Cli.ndjson(json.stdout)[0], { tenant: contoso, change: "unchanged" })
      assert.strictEqual(said(yield* tenants("set", contoso, "--cloud", "eu")), "unchanged\n")
      assert.strictEqual(said(yield* tenants("set", contoso, "--cloud", "uk")), "changed\n")
      yield* printed("disable", contoso)
      assert.strictEqual(said(yield* add("--cloud", "uk")), "unchanged; it is disabled, so nothing is collected\n")
    }),
  )

  it.live("replaces a credential by one of another kind, and changes parts of one of the same kind", () =>
    Effect.gen(function* () {
      yield* empty
      yield* printed("add", contoso, "--name", "Contoso", ...secret)
      const credentialAfter = (...args: ReadonlyArray<string>) =>
        Effect.map(printed("set", contoso, ...args), ([row]) => row?.["credential"])
      assert.deepStrictEqual(yield* credentialAfter("--credential-file", "new"), {
        kind: "app",
        clientId: app,
        file: "new",
      })
      assert.deepStrictEqual(yield* credentialAfter("--credential", "federated", "--client-id", app), {
        kind: "federated",
        clientId: app,
      })
      assert.deepStrictEqual(yield* credentialAfter("--credential", "managed", "--identity", identity), {
        kind: "managed",
        identity,
      })
      yield* refused(/--credential app needs --client-id/, "set", contoso, "--credential", "app")
      yield* refused(/--credential managed has no --credential-file/, "set", contoso, "--credential-file", "x")
    }),
  )

  it.live("changes a tenant on top of what somebody else has changed meanwhile", () =>
    Effect.gen(function* () {
      yield* empty
      yield* printed("add", contoso, "--name", "Contoso", ...secret)
      let isFirst = true
      const change = Effect.fnUntraced(function* (settings: Settings) {
        if (isFirst) yield* printed("set", contoso, "--storage-prefix", "eu/contoso")
        isFirst = false
        return { ...settings, cloud: "eu" } as const
      })
      yield* Handler.set({ tenant: contoso, json: true }, change).pipe(
        Effect.provideService(Console.Console, { ...globalThis.console, log: () => undefined }),
        Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: database().runner }))),
      )
      const now = { ...added, cloud: "eu", storagePrefix: "eu/contoso" }
      assert.deepStrictEqual(withoutRevision(yield* printed("list")), [now])
    }),
  )

  it.live("keeps the addresses of a tenant until its cloud changes", () =>
    Effect.gen(function* () {
      yield* empty
      const addresses = { endpoint: "http://127.0.0.1:1", authority: "http://127.0.0.1:2" }
      const flags = ["--endpoint", addresses.endpoint, "--authority", addresses.authority]
      yield* printed("add", contoso, "--name", "Contoso", ...secret, ...flags)
      assert.deepInclude((yield* printed("set", contoso, "--name", "C"))[0], addresses)
      const [moved] = yield* printed("set", contoso, "--cloud", "uk")
      assert.strictEqual(moved?.["cloud"], "uk")
      assert.notProperty(moved, "endpoint")
      assert.notProperty(moved, "authority")
    }),
  )

  it.live("says before a removal how many open runs it cancels", () =>
    Effect.gen(function* () {
      yield* empty
      yield* printed("add", contoso, "--name", "Contoso", ...secret)
      yield* database()
        .query(`insert into live_response.cluster_runs (run, tenant, session, options, machines, submitted_by, state)
        select gen_random_uuid(), '${contoso}', '{}', '{}', 1, 'analyst', state from unnest('{queued,running,finished}'::text[]) state`)
      yield* refused(
        /this would remove Contoso \(\S+\) from the registry, and cancel 2 open runs; confirm it/,
        "remove",
        contoso,
      )
      yield* printed("remove", contoso, "--yes")
      const states = yield* database().query("delete from live_response.cluster_runs returning state")
      assert.sameDeepMembers([...states], [{ state: "cancelled" }, { state: "cancelled" }, { state: "finished" }])
    }),
  )

  it.live("prints a row for each tenant, and says what was done", () =>
    Effect.gen(function* () {
      yield* empty
      const text = yield* tenants("add", contoso, "--name", "Con\u001b[31mtoso", ...secret)
      assert.deepStrictEqual(text, {
        exitCode: 0,
        stdout: "",
        stderr: `Con\uFFFD[31mtoso (${contoso}): added; its results are collected\n`,
      })
      yield* printed("add", fabrikam, "--name", "Fabrikam", "--credential", "managed", "--status", "Failed")
      yield* printed("disable", fabrikam)
      const { stdout } = yield* tenants("list")
      assert.deepStrictEqual(
        stdout,
        [
          `${contoso}\tCon\uFFFD[31mtoso\tenabled\tcommercial\tapp contoso/secret\t${contoso}\tall live response\n`,
          `${fabrikam}\tFabrikam\tdisabled\tcommercial\tmanaged\t${fabrikam}\tstatus Failed\n`,
        ].join(""),
      )
      const csv = yield* tenants("list", "--format", "csv")
      assert.match(csv.stdout, /^ID,NAME,STATE,CLOUD,CREDENTIAL,PREFIX,FOLLOWS\n/)
    }),
  )

  it.live("refuses in one line what is not valid, and changes nothing", () =>
    Effect.gen(function* () {
      yield* empty
      yield* printed("add", contoso, "--name", "Same", ...secret)
      yield* refused(
        /tenant e0a8f26e\S+ has the name Same; choose another/,
        "add",
        fabrikam,
        "--name",
        "same",
        ...secret,
      )
      yield* refused(/has the form of a tenant's id/, "add", fabrikam, "--name", contoso.toUpperCase(), ...secret)
      yield* printed("add", fabrikam, "--name", "other", ...secret)
      yield* refused(/tenant e0a8f26e\S+ has the name Same; choose another/, "set", fabrikam, "--name", "SAME")
      // Names of before this rule: an exact id counts first.
      yield* database().query(`update live_response.tenants set name = '${contoso}' where tenant = '${fabrikam}'`)
      assert.deepInclude((yield* printed("disable", contoso))[0], { tenant: contoso, enabled: false })
      yield* database().query(`update live_response.tenants set name = 'same' where tenant = '${fabrikam}'`)
      const before = yield* printed("list")
      yield* refused(/contoso is not the id of a tenant/, "add", "contoso", "--name", "x", ...secret)
      yield* refused(/name the tenant with --name/, "add", contoso, ...secret)
      yield* refused(/name the tenant's credential with --credential/, "add", contoso, "--name", "x")
      yield* refused(
        /Expected: an id of Entra/,
        "add",
        contoso,
        "--name",
        "x",
        "--credential",
        "managed",
        "--identity",
        "4711",
      )
      yield* refused(/several tenants have the name same, such as /, "disable", "same")
      yield* refused(/no tenant has the id or name nobody/, "disable", contoso, "nobody")
      yield* refused(/no tenant has the id or name nobody/, "set", "nobody", "--name", "x")
      yield* refused(
        /another tenant stores its results under this prefix/,
        "set",
        contoso,
        "--storage-prefix",
        fabrikam,
      )
      yield* refused(/not valid: storagePrefix: Expected names of /, "set", contoso, "--storage-prefix", "../up")
      yield* refused(/not valid: credential.file: Expected /, "set", contoso, "--credential-file", "/etc/shadow")
      yield* refused(/this would remove .* confirm it with --yes/, "remove", contoso)
      yield* refused(/leave out --status Pending/, "set", contoso, "--status", "pending")
      yield* refused(/select a status with --status/, "set", contoso, "--filter", "status eq 'Failed'")
      assert.deepStrictEqual(yield* printed("list"), before)
    }),
  )
})
