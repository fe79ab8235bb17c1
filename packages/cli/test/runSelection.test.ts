/** `run` on machines that are selected by what they are, with scripts of this machine. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TenantServer from "../../node/test/support/tenantServer.ts"
import * as Cli from "./support/CliInProcess.ts"
import { env, machineAt, machines, machinesOf, quick, script, sessions } from "./support/Machines.ts"
import * as ServedSimulator from "./support/ServedSimulator.ts"

const tagged = { record: { machineTags: ["x"] } }

/** Of five machines four have the tag: one of them is offline, and one is not onboarded. */
const five = machines(5, (n) =>
  n === 0
    ? {}
    : n === 1
      ? { record: { machineTags: ["x"], healthStatus: "Inactive" } }
      : n === 2
        ? { record: { machineTags: ["x"], onboardingStatus: "CanBeOnboarded" } }
        : tagged,
)

describe("run with a selection", () => {
  it.live("uploads a script to an empty library, runs it on the machines with a tag, and downloads the results", () =>
    Effect.gen(function* () {
      const service = yield* ServedSimulator.serve({ ...quick, library: [], machines: five })
      const box = yield* Cli.sandbox
      box.write("scripts/new.ps1", "Get-Process")
      const args = ["run", "--script", "./scripts/new.ps1", "--tag", "x", "--download", "results"]
      const command = (...more: ReadonlyArray<string>) =>
        box.run({ args: [...args, ...more], env: { ...service.env, ...env } })

      const unconfirmed = yield* command()
      assert.deepStrictEqual(
        [unconfirmed.exitCode, unconfirmed.stderr],
        [
          2,
          "live-response: this would upload new.ps1 to the library; confirm it with --yes, because there is no terminal to ask on\n",
        ],
      )
      assert.deepStrictEqual(yield* machinesOf(service.simulator), [])

      const first = yield* command("--yes", "--json")
      assert.strictEqual(first.exitCode, 0, first.stderr)
      assert.include(first.stderr, "new.ps1: uploaded to the library")
      assert.include(
        first.stderr,
        "2 selected machines can't run live response, and will be left out: 1 offline, 1 not onboarded",
      )
      const events = Cli.timeless(Cli.ndjson(first.stdout))
      assert.deepStrictEqual(
        events.filter(({ event }) => event === "leftOut"),
        [
          {
            event: "leftOut",
            machineId: machineAt(1),
            machineName: "ws-1.contoso.com",
            readiness: "offline",
          },
          {
            event: "leftOut",
            machineId: machineAt(2),
            machineName: "ws-2.contoso.com",
            readiness: "not onboarded",
          },
        ],
      )
      assert.deepInclude(events.at(-2), { event: "sessions", started: 2, succeeded: 2, notStarted: 0 })
      assert.deepInclude(events.at(-1), { event: "summary", completed: 2 })
      assert.deepStrictEqual(yield* machinesOf(service.simulator), [machineAt(3), machineAt(4)])

      // The library has it now: nothing is to be confirmed, and nothing to be done.
      const again = yield* command()
      assert.strictEqual(again.exitCode, 0, again.stderr)
      assert.match(again.stdout, /2 already present/)
      const uploads = yield* ServedSimulator.answered(service.simulator, "library")
      // One list call for each run, and one after the sessions: the upload is another kind of call.
      assert.strictEqual(uploads.length, 4)

      box.write("scripts/new.ps1", "Get-Service")
      const changed = yield* command()
      assert.strictEqual(changed.exitCode, 2)
      assert.include(
        changed.stderr,
        "this would replace new.ps1 in the library, which has other content, and run again on every machine, because the content of new.ps1 is not that of the earlier run; confirm it with --yes",
      )
    }),
  )

  it.live("starts new sessions for a script that has changed, and none for the same, by the library's spelling", () =>
    Effect.gen(function* () {
      const service = yield* ServedSimulator.serve({
        ...quick,
        library: [{ name: "Collect.ps1", content: "Get-Process" }],
        machines: machines(1),
      })
      const box = yield* Cli.sandbox
      box.write("collect.ps1", "Get-Process")
      const command = box.run({
        args: ["run", machineAt(0), "--script", "./collect.ps1", "--journal", "journal", "--wait", "--yes", "--json"],
        env: { ...service.env, ...env },
      })
      const count = Effect.map(machinesOf(service.simulator), (all) => all.length)
      for (const [content, expected] of [
        ["Get-Process", 1],
        ["Get-Process", 1],
        ["Get-Service", 2],
        ["Get-Service", 2],
      ] as const) {
        box.write("collect.ps1", content)
        const { exitCode, stderr } = yield* command
        assert.strictEqual(exitCode, 0, stderr)
        assert.strictEqual(yield* count, expected)
      }
      const params = (yield* sessions(service.simulator)).flatMap(({ commands }) => commands.map((one) => one.params))
      assert.deepStrictEqual(params, [{ ScriptName: "Collect.ps1" }, { ScriptName: "Collect.ps1" }])
    }),
  )

  it.live("shows with --dry-run what a run would do and cost, and does nothing", () =>
    Effect.gen(function* () {
      const service = yield* ServedSimulator.serve({ ...quick, machines: five })
      const box = yield* Cli.sandbox
      box.write("new.ps1", "Get-Process")
      box.write("hosts.txt", `${machineAt(3)}\n${machineAt(0)}\n`)
      const command = (...more: ReadonlyArray<string>) =>
        box.run({
          args: [
            "run",
            "--tag",
            "x",
            "--machines",
            "hosts.txt",
            "--put-file",
            "./new.ps1",
            ...script,
            "--get-file",
            "C:\\a",
            "--download",
            "results",
            "--dry-run",
            ...more,
          ],
          env: { ...service.env, ...env },
        })
      const text = yield* command()
      assert.strictEqual(text.exitCode, 0, text.stderr)
      assert.deepStrictEqual(text.stdout.trimEnd().split("\n"), [
        "3 machines would get a session: 2 selected, 1 named.",
        `  ready          ${machineAt(3)}  ws-3.contoso.com`,
        `  ready          ${machineAt(4)}  ws-4.contoso.com`,
        `  not checked    ${machineAt(0)}`,
        "Machines that are named are not checked: they may be offline or not onboarded.",
        "2 selected machines can't run live response, and will be left out: 1 offline, 1 not onboarded.",
        `  offline        ${machineAt(1)}  ws-1.contoso.com`,
        `  not onboarded  ${machineAt(2)}  ws-2.contoso.com`,
        "new.ps1 would be uploaded to the library.",
        "Their results need 6 links.",
        "This is a dry run: nothing was uploaded or started.",
      ])
      const json = yield* command("--json")
      assert.deepInclude(Cli.ndjson(json.stdout)[0], {
        event: "preview",
        sessions: 3,
        named: [{ machineId: machineAt(0), decision: "start" }],
        links: 6,
        uploads: ["new.ps1"],
        replacements: [],
      })
      assert.deepStrictEqual(yield* machinesOf(service.simulator), [])
      assert.deepStrictEqual(box.entries().toSorted(), ["hosts.txt", "new.ps1"])
    }),
  )

  it.live("shows with --dry-run which sessions an earlier run has finished, and which files would be replaced", () =>
    Effect.gen(function* () {
      const service = yield* ServedSimulator.serve({ ...quick, machines: five })
      const box = yield* Cli.sandbox
      const command = (...args: ReadonlyArray<string>) =>
        box.run({ args: ["run", ...script, ...args], env: { ...service.env, ...env } })
      const journal = ["--journal", "journal", "--wait"]
      const first = yield* command(machineAt(3), ...journal)
      assert.strictEqual(first.exitCode, 0, first.stderr)
      const again = yield* command(machineAt(3), "--tag", "x", "--name", "ws-3", ...journal, "--dry-run")
      assert.deepStrictEqual(again.stdout.split("\n").slice(0, 4), [
        "0 machines would get a session: 0 selected, 0 named.",
        "1 session finished in an earlier run: no other is started.",
        `  finished       ${machineAt(3)}  ws-3.contoso.com`,
        "This is a dry run: nothing was uploaded or started.",
      ])
      const both = yield* command(machineAt(3), machineAt(0), ...journal, "--dry-run", "--json")
      assert.deepInclude(Cli.ndjson(both.stdout)[0], {
        sessions: 1,
        resumed: 0,
        finished: 1,
        named: [
          { machineId: machineAt(3), decision: "finished" },
          { machineId: machineAt(0), decision: "start" },
        ],
      })
      box.write("collect.ps1", "other content")
      const replacing = yield* box.run({
        args: ["run", machineAt(0), "--script", "./collect.ps1", "--dry-run", "--json"],
        env: { ...service.env, ...env },
      })
      assert.deepInclude(Cli.ndjson(replacing.stdout)[0], { uploads: [], replacements: ["collect.ps1"] })
    }),
  )

  it.live("does not leave out a machine that is named, and counts named and selected machines for its question", () =>
    Effect.gen(function* () {
      const service = yield* ServedSimulator.serve({ ...quick, machines: five })
      const box = yield* Cli.sandbox
      const command = (...args: ReadonlyArray<string>) =>
        box.run({ args: ["run", ...script, ...args], env: { ...service.env, ...env } })
      const offline = ["--tag", "x", "--health", "Inactive"]
      const preview = yield* command(machineAt(1), ...offline, "--dry-run", "--json")
      assert.deepInclude(Cli.ndjson(preview.stdout)[0], { sessions: 1, leftOut: [] })
      const byName = yield* command("WS-1.contoso.com", ...offline, "--deadline", "1s")
      assert.notInclude(byName.stderr, "will be left out")
      const ids = Array.from({ length: 99 }, (_, n) => machineAt(n + 100))
      box.write("hosts.txt", [...ids, machineAt(3)].join("\n"))
      const many = yield* command("--machines", "hosts.txt", "--tag", "x")
      assert.strictEqual(many.exitCode, 2)
      assert.include(many.stderr, "this would run on 101 machines; confirm it with --yes")
    }),
  )

  it.live("counts a machine once with --dry-run, however it is named, and fails as the run would", () =>
    Effect.gen(function* () {
      const service = yield* ServedSimulator.serve({ ...quick, machines: five })
      const box = yield* Cli.sandbox
      const command = (...args: ReadonlyArray<string>) =>
        box.run({ args: ["run", "--dry-run", ...args], env: { ...service.env, ...env } })
      box.write("hosts.txt", "ws-0.contoso.com\nWS-3.contoso.com\n")
      const twice = yield* command(machineAt(0), "ws-0.contoso.com", "--machines", "hosts.txt", "--tag", "x", ...script)
      assert.strictEqual(twice.exitCode, 0, twice.stderr)
      assert.include(twice.stdout, "3 machines would get a session: 2 selected, 1 named.")

      const misspelt = yield* command(machineAt(0), "--script", "colect.ps1")
      assert.deepStrictEqual(
        [misspelt.exitCode, misspelt.stdout, misspelt.stderr],
        [2, "", "live-response: the library has no file colect.ps1; did you mean collect.ps1?\n"],
      )
      box.write("bad.txt", "ws-9.contoso.com\n?\n")
      const unknown = yield* command(machineAt(0), "--machines", "bad.txt", ...script)
      assert.strictEqual(unknown.exitCode, 1)
      assert.include(unknown.stdout, "1 machine would get a session: 0 selected, 1 named.")
      assert.match(unknown.stderr, /failed: .*"\?" is not a machine/)
      assert.include(unknown.stderr, "failed: no machine has the name ws-9.contoso.com")
      const none = yield* command("--tag", "nobody", ...script)
      assert.strictEqual(none.exitCode, 1)
      assert.include(none.stderr, "no machine matches the selection")
      assert.deepStrictEqual(yield* machinesOf(service.simulator), [])
    }),
  )

  it.live("asks before it runs on more than 100 selected machines, and says where none is left to run on", () =>
    Effect.gen(function* () {
      const service = yield* ServedSimulator.serve({
        ...quick,
        machines: [...machines(101, () => tagged), { id: "f".repeat(40), record: { healthStatus: "Inactive" } }],
      })
      const box = yield* Cli.sandbox
      const command = (...args: ReadonlyArray<string>) =>
        box.run({ args: ["run", ...script, ...args], env: { ...service.env, ...env } })
      const many = yield* command("--tag", "x")
      assert.strictEqual(many.exitCode, 2)
      assert.include(many.stderr, "this would run on 101 machines; confirm it with --yes")
      const none = yield* command("--tag", "y")
      assert.deepStrictEqual(
        [none.exitCode, none.stderr],
        [1, "live-response: no machine matches the selection; try it with live-response machines list\n"],
      )
      const offline = yield* command("--health", "Inactive")
      assert.strictEqual(offline.exitCode, 1)
      assert.include(offline.stderr, "none of the 1 selected machines can run live response")
      assert.deepStrictEqual(yield* machinesOf(service.simulator), [])
    }),
  )

  it.live("refuses a script that the library lacks and arguments that the service refuses, before any machine", () =>
    Effect.gen(function* () {
      const service = yield* ServedSimulator.serve({ ...quick, machines: machines(1) })
      const box = yield* Cli.sandbox
      const command = (...args: ReadonlyArray<string>) =>
        box.run({ args: ["run", machineAt(0), ...args], env: { ...service.env, ...env } })
      const unknown = yield* command("--script", "colect.ps1")
      assert.deepStrictEqual(
        [unknown.exitCode, unknown.stderr],
        [2, "live-response: the library has no file colect.ps1; did you mean collect.ps1?\n"],
      )
      const far = yield* command(...script, "--put-file", "other-tool.exe")
      assert.strictEqual(far.exitCode, 2)
      assert.include(
        far.stderr,
        "the library has no file other-tool.exe; live-response library list shows its files, and live-response library upload FILE adds one",
      )
      const args = yield* command(...script, "--args", "-Path C:\\; Get-Process | more")
      assert.strictEqual(args.exitCode, 2)
      assert.include(
        args.stderr,
        "--args has ; |, which live response refuses; leave them out, or put them into the script",
      )
      assert.deepStrictEqual(yield* machinesOf(service.simulator), [])
    }),
  )

  it.live("runs a script by its name with a message where the library can't be read", () =>
    Effect.gen(function* () {
      const errors = [
        { status: 404, body: { error: { code: "NotFound", message: "No such resource." } } },
        { status: 403, body: { error: { code: "Forbidden", message: "Missing role." } } },
      ]
      const id = "988cc94e-7a8f-4b28-ab65-54970c5d5018"
      const server = yield* TenantServer.serve({
        fault: (_method, path, nth) =>
          path.startsWith("/api/libraryfiles") ? errors[Math.min(nth, 2) - 1] : undefined,
        other: ({ method, path }) =>
          method === "POST" && path === `/api/machines/${machineAt(0)}/runliveresponse`
            ? {
                status: 201,
                body: { id, type: "LiveResponse", status: "Pending", machineId: machineAt(0), commands: [] },
              }
            : undefined,
      })
      const box = yield* Cli.sandbox
      box.write("collect.ps1", "Get-Process")
      const command = (...args: ReadonlyArray<string>) =>
        box.run({
          args: ["run", machineAt(0), ...args],
          env: { ...env, ...TenantServer.envOf(server) },
        })
      const elsewhere = yield* command(...script)
      assert.strictEqual(elsewhere.exitCode, 0, elsewhere.stderr)
      assert.match(
        elsewhere.stderr,
        /file names are not checked: not found \(HTTP 404 .*; this cloud has no library API/,
      )
      const named = yield* command(...script)
      assert.strictEqual(named.exitCode, 0, named.stderr)
      assert.include(named.stderr, "live-response: file names are not checked: permission is missing (HTTP 403")
      assert.strictEqual(server.requests("POST").length, 2)
      const local = yield* command("--script", "./collect.ps1", "--yes")
      assert.strictEqual(local.exitCode, 3)
      assert.include(local.stderr, "the call needs Library.Manage")
      assert.strictEqual(server.requests("POST").length, 2)
    }),
  )

  it.live("runs only on selected machines of a server that ignores filters, and sends it the file as it is", () =>
    Effect.gen(function* () {
      const id = "988cc94e-7a8f-4b28-ab65-54970c5d5018"
      const machine = {
        id: machineAt(7),
        healthStatus: "Active",
        onboardingStatus: "Onboarded",
        osPlatform: "Windows11",
        machineTags: ["incident-42"],
      }
      const server = yield* TenantServer.serve({
        // It ignores filters.
        machines: [{ ...machine, id: machineAt(8), machineTags: ["incident-41"] }, machine, { id: machineAt(9) }],
        other: ({ method, path }) =>
          method === "POST" && path === `/api/machines/${machineAt(7)}/runliveresponse`
            ? {
                status: 201,
                body: { id, type: "LiveResponse", status: "Pending", machineId: machine.id, commands: [] },
              }
            : undefined,
      })
      const box = yield* Cli.sandbox
      box.write("new.ps1", "Get-Process")
      const run = yield* box.run({
        args: ["run", "--tag", "incident-42", "--os", "windows11", "--script", "./new.ps1", "--yes"],
        env: { ...env, ...TenantServer.envOf(server) },
      })
      assert.strictEqual(run.exitCode, 0, run.stderr)
      assert.include(run.stderr, "the list has machines that do not match the selection, which are left out (2)")
      assert.deepStrictEqual(
        server.requests("POST").flatMap(({ path }) => /machines\/([^/]*)/.exec(path)?.[1] ?? []),
        [machine.id],
      )
      assert.strictEqual(server.files.get("new.ps1")?.content.toString(), "Get-Process")
      assert.deepStrictEqual(
        server.requests("GET", "/api/machines").map(({ query }) => query.get("$filter")),
        ["(machineTags/any(tag: tag eq 'incident-42')) and (osPlatform eq 'Windows11')"],
      )
      const [started] = server.requests("POST", `/api/machines/${machineAt(7)}/runliveresponse`)
      assert.include(started?.body.toString(), '"value":"new.ps1"')

      const unchecked = yield* box.run({
        args: ["run", "--tag", "incident-42", "--filter", "riskScore eq 'High'", "--script", "./new.ps1", "--yes"],
        env: { ...env, ...TenantServer.envOf(server) },
      })
      assert.strictEqual(unchecked.exitCode, 1)
      assert.include(unchecked.stderr, "the server ignores $filter, so nobody knows which match --filter")
      // The upload and the session of the first run.
      assert.strictEqual(server.requests("POST").length, 2)
    }),
  )

  it.live("starts nothing with a lone --filter on a server that ignores it", () =>
    Effect.gen(function* () {
      const server = yield* TenantServer.serve({ machines: [{ id: machineAt(7), onboardingStatus: "Onboarded" }] })
      const box = yield* Cli.sandbox
      box.write("new.ps1", "Get-Process")
      const filter = "riskScore eq 'High'"
      const ended = yield* box.run({
        args: ["run", "--filter", filter, "--script", "./new.ps1", "--yes"],
        env: { ...env, ...TenantServer.envOf(server) },
      })
      assert.strictEqual(ended.exitCode, 1)
      assert.include(ended.stderr, "the server ignores $filter, so nobody knows which match --filter")
      assert.deepStrictEqual(server.requests("POST"), [])
      assert.deepStrictEqual(
        server.requests("GET", "/api/machines").map(({ query }) => query.get("$filter")),
        [`(${filter}) and (id eq '${"0".repeat(40)}')`],
      )
    }),
  )

  it.live("runs on what a lone --filter selects", () =>
    Effect.gen(function* () {
      const service = yield* ServedSimulator.serve({
        ...quick,
        machines: machines(3, (n) => (n === 1 ? { record: { riskScore: "High" } } : {})),
      })
      const box = yield* Cli.sandbox
      const ended = yield* box.run({
        args: ["run", "--filter", "riskScore eq 'High'", ...script],
        env: { ...service.env, ...env },
      })
      assert.strictEqual(ended.exitCode, 0, ended.stderr)
      assert.deepStrictEqual(yield* machinesOf(service.simulator), [machineAt(1)])
    }),
  )

  it.live("cancels the session in the way with --cancel-blocking, after a yes", () =>
    Effect.gen(function* () {
      const service = yield* ServedSimulator.serve({
        ...quick,
        visibleAfter: 0,
        machines: machines(1, () => ({ busy: "1 hour" })),
      })
      const box = yield* Cli.sandbox
      const command = (...args: ReadonlyArray<string>) =>
        box.run({ args: ["run", machineAt(0), ...script, ...args], env: { ...service.env, ...env } })
      const both = yield* command("--adopt", "--cancel-blocking")
      assert.strictEqual(both.exitCode, 2)
      assert.include(both.stderr, "choose either --adopt or --cancel-blocking")
      const unconfirmed = yield* command("--cancel-blocking")
      assert.strictEqual(unconfirmed.exitCode, 2)
      assert.include(
        unconfirmed.stderr,
        "this would cancel sessions of others that are in progress on the machines; confirm it with --yes",
      )
      const cancelled = yield* command("--cancel-blocking", "--yes", "--json")
      assert.strictEqual(cancelled.exitCode, 0, cancelled.stderr)
      assert.match(cancelled.stderr, /cancelled: machine action [0-9a-f-]{36}, which was in progress on c0ffee/)
      assert.deepStrictEqual(
        Cli.ndjson(cancelled.stdout).map(({ event }) => event),
        ["cancelled", "started", "sessions"],
      )
    }),
  )
})
