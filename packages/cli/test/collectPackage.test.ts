import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TenantServer from "../../node/test/support/tenantServer.ts"
import * as Cli from "./support/CliInProcess.ts"
import { env, ids, machineAt, machines, quick } from "./support/Machines.ts"
import * as ServedSimulator from "./support/ServedSimulator.ts"

const zip = Buffer.from("UEsDBBQAAAAAAA==", "base64")

/** A service with two machines, and `live-response` for it. A link to a package has a quota of two a minute. */
const serve = Effect.gen(function* () {
  const service = yield* ServedSimulator.serve({ ...quick, machines: machines(2) })
  const box = yield* Cli.sandbox
  const command = (...args: ReadonlyArray<string>) => box.run({ args: [...args], env: { ...service.env, ...env } })
  return { box, command, service }
})

describe("collect-package", () => {
  it.live("collects packages of machines once, and downloads them", () =>
    Effect.gen(function* () {
      const { box, command, service } = yield* serve
      const collect = ["collect-package", ...ids(2), "--download", "results"]
      const first = yield* command(...collect)
      assert.strictEqual(first.exitCode, 0, first.stderr)
      assert.match(first.stdout, /^2 sessions succeeded in \d+ s\.\n2 downloaded /)
      const packages = box.files().filter((file) => file.endsWith("/0.zip"))
      assert.strictEqual(packages.length, 2)
      for (const file of packages) assert.isTrue(box.read(`results/${file}`).subarray(0, 4).equals(zip.subarray(0, 4)))
      const again = yield* command(...collect)
      assert.strictEqual(again.exitCode, 0, again.stderr)
      assert.match(again.stdout, /2 already present/)
      const actions = yield* service.simulator.actions
      assert.deepStrictEqual(
        actions.map(({ type }) => type),
        ["CollectInvestigationPackage", "CollectInvestigationPackage"],
      )
    }),
  )

  it.live("downloads a package that is named or selected, and shows what it is", () =>
    Effect.gen(function* () {
      // Two links a minute are not enough for each to have one.
      const services = yield* Effect.replicateEffect(ServedSimulator.serve({ ...quick, machines: machines(1) }), 2)
      const box = yield* Cli.sandbox
      const run = ({ env: of }: { readonly env: Record<string, string> }, ...args: ReadonlyArray<string>) =>
        box.run({ args: [...args], env: { ...of, ...env } })
      for (const [i, service] of services.entries()) {
        const started = yield* run(service, "collect-package", machineAt(0), "--wait", "--json")
        assert.strictEqual(started.exitCode, 0, started.stderr)
        const id = String(Cli.ndjson(started.stdout).find(({ event }) => event === "started")?.["machineActionId"])
        if (i === 0) {
          const named = yield* run(service, "download", `${id}:0`, "--out", "named")
          assert.strictEqual(named.exitCode, 0, named.stderr)
          assert.isTrue(box.read(`named/${id}/0.zip`).subarray(0, 4).equals(zip.subarray(0, 4)))
          const shown = yield* run(service, "show", `${id}:0`, "--out", "named")
          assert.include(shown.stderr, "not a script's result but an archive (zip")
          const link = yield* run(service, "link", `${id}:0`)
          assert.match(link.stdout, /\/safedownload\//, link.stderr)
          const action = yield* run(service, "actions", "get", id)
          assert.include(action.stdout, `download ${id}:0`)
        } else {
          const selected = yield* run(service, "download", "--type", "CollectInvestigationPackage", "--out", "others")
          assert.strictEqual(selected.exitCode, 0, selected.stderr)
          assert.include(box.files(box.path("others")), `${id}/0.zip`)
          assert.include(box.read("others/manifest.jsonl").toString(), '"isPackage":true')
          const whole = yield* run(service, "download", id, "--out", "whole")
          assert.strictEqual(whole.exitCode, 0, whole.stderr)
        }
      }
    }),
  )

  it.live("says in its help and in its comment that it collects a package", () =>
    Effect.gen(function* () {
      const service = yield* ServedSimulator.serve({ ...quick, machines: machines(1) })
      const box = yield* Cli.sandbox
      const run = (...args: ReadonlyArray<string>) =>
        box.run({ args: ["collect-package", ...args], env: { ...service.env, ...env } })
      const help = yield* run("--help")
      assert.include(help.stdout, "live-response collect-package")
      assert.notInclude(help.stdout, "upload files")
      yield* run(machineAt(0), "--wait")
      const [action] = yield* service.simulator.actions
      assert.match(String(action?.requestorComment), /^live-response collect-package \[/)
    }),
  )

  it.live("forecasts with --dry-run by the quotas of packages, and not by those of live response", () =>
    Effect.gen(function* () {
      const service = yield* ServedSimulator.serve({ machines: machines(11) })
      const box = yield* Cli.sandbox
      const ids = Array.from({ length: 11 }, (_, n) => machineAt(n))
      const { exitCode, stderr, stdout } = yield* box.run({
        args: ["collect-package", ...ids, "--download", "results", "--dry-run", "--json"],
        env: { ...service.env, ...env },
      })
      assert.strictEqual(exitCode, 0, stderr)
      const preview = Cli.ndjson(stdout)[0]
      // 100 may be requested in a minute, and two links.
      assert.deepInclude(preview, { sessions: 11, links: 11, startingSeconds: 0 })
      assert.isAtLeast(Number(preview?.["linkingSeconds"]), 290)
    }),
  )

  it.live("says of a package that is not there whether it is still collected, and downloads it when it is there", () =>
    Effect.gen(function* () {
      const id = "988cc94e-7a8f-4b28-ab65-54970c5d5018"
      let status = "InProgress"
      let endpoint = ""
      const server = yield* TenantServer.serve({
        other: ({ path, url }): TenantServer.Answer | undefined => {
          if (path === `/api/machineactions/${id}`) {
            const action = { id, type: "CollectInvestigationPackage", machineId: machineAt(0), commands: null, status }
            return { status: 200, body: action }
          }
          if (path === `/api/machineactions/${id}/getPackageUri`) {
            return { status: 200, body: { value: `"${endpoint}/safedownload/package.zip?token=a"` } }
          }
          return url === "/safedownload/package.zip?token=a" ? { status: 200, bytes: zip } : undefined
        },
      })
      endpoint = server.endpoint
      const box = yield* Cli.sandbox
      const download = box.run({
        args: ["download", id, "--out", "results"],
        env: { ...env, ...TenantServer.envOf(server) },
      })
      const said = (status: string, next: string) =>
        `failed: ${id}: it has no investigation package, its status is ${status}${next}\n`
      const early = yield* download
      assert.deepInclude(early, { exitCode: 1, stderr: said("InProgress", "; run it again later") })
      assert.include(early.stdout, "Run the same command again")
      status = "Failed"
      assert.deepInclude(yield* download, { exitCode: 1, stderr: said("Failed", "") })
      status = "Succeeded"
      const there = yield* download
      assert.strictEqual(there.exitCode, 0, there.stderr)
      assert.isTrue(box.read(`results/${id}/0.zip`).equals(zip))
    }),
  )

  it.live(
    "asks an independent server for the package, retries it from the manifest, and follows a link that is not a SAS",
    () =>
      Effect.gen(function* () {
        const id = "988cc94e-7a8f-4b28-ab65-54970c5d5018"
        const action = { id, type: "CollectInvestigationPackage", machineId: machineAt(0), commands: null }
        let isThere = false
        let endpoint = ""
        const server = yield* TenantServer.serve({
          other: ({ method, path, url }): TenantServer.Answer | undefined => {
            if (method === "POST" && path === `/api/machines/${machineAt(0)}/collectInvestigationPackage`) {
              return { status: 201, body: { ...action, status: "Pending" } }
            }
            if (path === `/api/machineactions/${id}`) return { status: 200, body: { ...action, status: "Succeeded" } }
            if (path === "/api/machineactions")
              return { status: 200, body: { value: [{ ...action, status: "Succeeded" }] } }
            if (path === `/api/machineactions/${id}/getPackageUri` && isThere) {
              return { status: 200, body: { value: `"${endpoint}/safedownload/package.zip?token=a"` } }
            }
            return url === "/safedownload/package.zip?token=a" ? { status: 200, bytes: zip } : undefined
          },
        })
        endpoint = server.endpoint
        const box = yield* Cli.sandbox
        const run = (...args: ReadonlyArray<string>) =>
          box.run({
            args: [...args],
            env: { ...env, ...TenantServer.envOf(server) },
          })
        const early = yield* run("collect-package", machineAt(0), "--comment", "case 4711", "--download", "results")
        assert.strictEqual(early.exitCode, 1, early.stdout)
        assert.include(early.stderr, "not found (HTTP 404")
        const [request] = server.requests("POST")
        assert.match(request?.body.toString() ?? "", /^\{"Comment":"case 4711 \[live-response [0-9a-f]{16}\]"\}$/)

        isThere = true
        const later = yield* run("download", "--retry-failed", "--out", "results")
        assert.strictEqual(later.exitCode, 0, later.stderr)
        assert.isTrue(box.read(`results/${id}/0.zip`).equals(zip))
        const download = server.requests("GET", "/safedownload/package.zip")
        assert.strictEqual(download.length, 1)
        assert.isUndefined(download[0]?.authorization)
      }),
  )
})
