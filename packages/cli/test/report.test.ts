/**
 * `report`: the page in headless Chromium.
 */
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Page } from "playwright-core"
import { build } from "../report/build.mjs"
import { attacks } from "./support/attacks.ts"
import * as Browser from "./support/Browser.ts"
import * as Cli from "./support/CliInProcess.ts"
import * as Directory from "./support/Directory.ts"
import * as Docs from "./support/Docs.ts"
import * as Machines from "./support/Machines.ts"
import * as Samples from "./support/Samples.ts"

const output = (machine: number, path: string) =>
  `Host ${Directory.nameOf(machine)}\r\n\r\nName : agent\r\nPath : ${path}\r\n`

const odd = "C:\\Users\\Public\\svch0st.exe"

/** Eight machines, each with another fate. */
const fillCase = (box: Cli.Sandbox) => {
  const ended = (machine: number, status: string, errors: ReadonlyArray<string> = []) => {
    const { version: _, ...action } = Directory.action(machine, { status })
    const commands = [{ index: 0, type: "RunScript", status: "Failed", params: {}, errors }]
    return Directory.entry("ended", machine, { action: { ...action, commands } })
  }
  const started = (machine: number) => Directory.entry("started", machine, { machineActionId: Samples.action(machine) })
  Directory.fill(box, {
    results: [
      { machine: 0, bytes: Directory.script({ script_output: output(0, "C:\\agent.exe") }) },
      { machine: 1, bytes: Directory.script({ script_output: output(1, "C:\\agent.exe") }) },
      { machine: 2, bytes: Directory.script({ script_output: output(2, odd), exit_code: 5, script_errors: "denied" }) },
      { machine: 0, index: 1, ending: "gz", bytes: Buffer.from([0x1f, 0x8b, 8]) },
      { machine: 6, bytes: Directory.script(), recorded: { sha256: "00".repeat(32) } },
    ],
    actions: [0, 1, 2, 3, 6].map((machine) => Directory.action(machine)),
    failed: [Directory.failed(3, `the storage refused ${Samples.action(3)}:0`)],
    sessions: [
      started(0),
      started(4),
      started(5),
      ended(5, "Failed", ["The script was not found in the library"]),
      Directory.entry("notStarted", 7),
    ],
  })
}

/** Writes the report of a directory, and opens it. */
const opened = Effect.fnUntraced(function* (
  fill: (box: Cli.Sandbox) => void,
  options?: Parameters<typeof Browser.open>[1],
) {
  const box = yield* Cli.sandbox
  fill(box)
  const ended = yield* box.run({ args: ["report", "results"] })
  assert.strictEqual(ended.exitCode, 0, ended.stderr)
  return { box, ...(yield* Browser.open(box.path("results/report.html"), options)) }
})

const step = <A>(body: () => Promise<A>) => Effect.promise(body)

const textOf = (page: Page, selector: string) => step(() => page.locator(selector).innerText())

/** The cells of the rows of a table that are on the screen. */
const cellsOf = (page: Page) =>
  step(() =>
    page
      .locator("[role=rowgroup].body [role=row]")
      .evaluateAll((rows) => rows.map((row) => Array.from(row.children, ({ textContent }) => textContent))),
  )

const columnOf = (page: Page, column: number) => Effect.map(cellsOf(page), (rows) => rows.map((row) => row[column]))

/** Chooses a view, and waits until it is shown: the page hears of a new address later. */
const go = (page: Page, view: string) =>
  step(() =>
    page
      .click(`nav a[href="#${view}"]`)
      .then(() => page.waitForSelector(`nav a[href="#${view}"][aria-current]`, { state: "attached" })),
  )

const download = Effect.fnUntraced(function* (page: Page, name: string) {
  const saved = yield* Effect.forkChild(step(() => page.waitForEvent("download")))
  yield* step(() => page.click(`button:text-is("${name}")`))
  const file = yield* Fiber.join(saved)
  return readFileSync(yield* step(() => file.path()), "utf8")
})

const views = ["summary", "results", "stack", "machines", "failures"]

layer(Browser.Chromium.layer, { excludeTestServices: true })("report", (it) => {
  it.effect("counts each machine once, by what became of it", () =>
    Effect.gen(function* () {
      const { page, problems } = yield* opened(fillCase)
      const rows = yield* step(() =>
        page
          .locator("table", { has: page.locator("caption", { hasText: /^Machines$/ }) })
          .locator("tbody tr")
          .evaluateAll((rows) => rows.map((row) => Array.from(row.children, ({ textContent }) => textContent))),
      )
      assert.deepStrictEqual(rows, [
        ["With results", "3"],
        ["Without results", "5"],
        ["A result's file can't be used", "1"],
        ["The download failed", "1"],
        ["The session failed", "1"],
        ["Offline or in progress", "1"],
        ["The session was not started", "1"],
        ["All that were asked", "8"],
      ])
      const states = Docs.matches(
        Docs.read("docs/report.md"),
        /^\| ([A-Z][\w' ]+?) +\| (?:at least|a script's|the|it is)/gm,
      )
      assert.deepStrictEqual(
        Docs.missing(
          rows.map(([label = ""]) => label ?? ""),
          states,
        ),
        ["Without results", "All that were asked"],
      )
      const reasons = yield* textOf(page, "table:has(caption:text-is('Why machines have no results')) tbody")
      assert.match(reasons, /the storage refused <id>\s+1/)
      assert.match(reasons, /RunScript: The script was not found in the library\s+1/)
      const charts = yield* step(() =>
        page.locator("figure svg").evaluateAll((charts) => charts.map((chart) => chart.getAttribute("aria-label"))),
      )
      assert.deepStrictEqual(charts, [
        "Results per minute: at most 2",
        "Download links in any minute: at most 2 of 100, 2 %",
        "Download links in any hour: at most 6 of 1,500, 0 %",
      ])
      assert.deepStrictEqual(problems, [])
    }).pipe(Effect.scoped),
  )

  it.effect("filters, searches, sorts, stacks, and saves what is shown", () =>
    Effect.gen(function* () {
      const { page, problems } = yield* opened(fillCase)
      yield* go(page, "results")
      assert.strictEqual(yield* textOf(page, ".toolbar .summary"), "6 of 6 results")
      // A file has no output, which is not an empty one.
      yield* step(() => page.fill("[aria-label='Filter Output']", "0"))
      assert.strictEqual(yield* textOf(page, ".toolbar .summary"), "0 of 6 results")
      yield* step(() => page.fill("[aria-label='Filter Output']", ""))
      yield* step(() => page.fill("[aria-label='Filter Kind']", "=script"))
      yield* step(() => page.click("button.sort:text-is('Machine')"))
      yield* step(() => page.click("button.sort:text-is('Machine')"))
      assert.deepStrictEqual(yield* columnOf(page, 0), [2, 1, 0].map(Directory.nameOf))
      yield* step(() => page.fill("[aria-label='Filter Exit code']", ">0"))
      assert.deepStrictEqual(yield* columnOf(page, 0), [Directory.nameOf(2)])
      yield* step(() => page.fill("[aria-label='Filter Exit code']", ""))
      // In the output, beyond its first line.
      yield* step(() => page.fill("[aria-label='Search results']", "SVCH0ST"))
      assert.deepStrictEqual(yield* columnOf(page, 0), [Directory.nameOf(2)])
      yield* step(() => page.fill("[aria-label='Search results']", "WS-1"))
      assert.strictEqual(yield* textOf(page, ".toolbar .summary"), "1 of 6 results")
      const csv = yield* download(page, "Save CSV")
      assert.match(
        csv,
        /^\uFEFFmachine,source,kind,exitCode,.*\r\nws-1\.contoso\.com,a\.ps1,script,0,Host ws-1\.contoso\.com,.*\r\n$/,
      )
      const [row, ...more] = Cli.ndjson(yield* download(page, "Save JSONL"))
      assert.lengthOf(more, 0)
      assert.strictEqual(row?.["finished"], "2026-11-25T08:01:00.000Z")
      assert.strictEqual(row?.["exitCode"], 0)

      yield* go(page, "stack")
      assert.deepStrictEqual(
        (yield* cellsOf(page)).map(([machines, count]) => [machines, count]),
        [
          ["1", "1"],
          ["2", "2"],
        ],
      )
      yield* step(() => page.selectOption("label:has-text('Stack by') select", { label: "Field .Path" }))
      assert.deepStrictEqual(yield* columnOf(page, 2), [odd, "C:\\agent.exe"])
      yield* step(() => page.click(`[role=gridcell]:text-is("${odd.replaceAll("\\", "\\\\")}")`))
      assert.include(yield* textOf(page, "aside"), Directory.nameOf(2))
      yield* step(() => page.click("button:text-is('Show these results')"))
      assert.strictEqual(yield* textOf(page, ".chip"), `Field .Path: ${odd}\nShow all`)
      yield* step(() => page.fill("[aria-label='Search results']", ""))
      assert.deepStrictEqual(yield* columnOf(page, 0), [Directory.nameOf(2)])
      assert.deepStrictEqual(problems, [])
    }).pipe(Effect.scoped),
  )

  it.effect("stacks the results of a script without a name", () =>
    Effect.gen(function* () {
      const { page } = yield* opened((box) =>
        Directory.fill(box, {
          results: ["a.ps1", ""].map((script_name, machine) => ({
            machine,
            bytes: Directory.script({ script_name, script_output: `of "${script_name}"` }),
          })),
        }),
      )
      yield* go(page, "stack")
      for (const [script, values] of [
        ["All scripts", ['of ""', 'of "a.ps1"']],
        ["(unknown)", ['of ""']],
        ["a.ps1", ['of "a.ps1"']],
      ] as const) {
        yield* step(() => page.selectOption("label:has-text('All scripts') select", { label: script }))
        assert.deepStrictEqual(yield* columnOf(page, 2), Array.from(values), script)
      }
    }).pipe(Effect.scoped),
  )

  it.effect("works with the keyboard alone", () =>
    Effect.gen(function* () {
      const { page, problems } = yield* opened(fillCase)
      const press = (...keys: ReadonlyArray<string>) =>
        Effect.forEach(keys, (key) => step(() => page.keyboard.press(key)))
      yield* press("2")
      yield* step(() => page.waitForSelector("nav a[href='#results'][aria-current]"))
      yield* press("/", "a", ".", "p", "s", "1", "Enter", "ArrowDown", "ArrowDown", "Enter")
      assert.include(yield* textOf(page, "aside"), odd)
      const link = yield* step(() => page.locator("aside a[href$='.json']").getAttribute("href"))
      assert.strictEqual(link, Directory.pathOf({ machine: 2 }))
      yield* press("Escape")
      assert.isFalse(yield* step(() => page.isVisible("aside")))
      assert.strictEqual(yield* step(() => page.evaluate(() => document.activeElement?.getAttribute("role"))), "grid")
      assert.strictEqual(
        yield* step(() => page.evaluate(() => document.querySelectorAll("[aria-selected=true]").length)),
        1,
      )
      // As a live page of another machine, which has no clipboard without TLS.
      yield* step(() =>
        page.evaluate(() => {
          Object.defineProperty(globalThis, "isSecureContext", { value: false })
          Object.defineProperty(navigator, "clipboard", { value: undefined })
        }),
      )
      yield* press("c")
      assert.strictEqual(yield* textOf(page, ".announcer"), "The browser does not allow copying")
      yield* press("4")
      yield* step(() => page.waitForSelector("nav a[href='#machines'][aria-current]"))
      yield* press("End", "Enter")
      yield* step(() => page.waitForSelector(`main h2:text-is("${Machines.machineAt(7)}")`))
      // Back in the table, whose row and focus are what they were.
      yield* step(() => page.goBack())
      yield* step(() => page.waitForSelector("[role=grid]:focus"))
      assert.include(yield* textOf(page, "[aria-selected=true]"), Machines.machineAt(7))
      assert.deepStrictEqual(problems, [])
    }).pipe(Effect.scoped),
  )

  it.effect("keeps hostile text inert", () =>
    Effect.gen(function* () {
      const { box, page, problems } = yield* opened((box) =>
        Directory.fill(box, {
          results: attacks.map((attack, machine) => ({
            machine,
            bytes: Directory.script({
              script_name: attack,
              script_output: `${attack}\n\n${JSON.stringify({ [attack]: attack })}`,
              script_errors: attack,
            }),
            recorded: { machineName: attack, machineId: `${machine}${attack}`, script: attack },
          })),
          failed: attacks.map((attack, i) => Directory.failed(i + attacks.length, attack)),
          actions: attacks.map((attack, machine) =>
            Directory.action(machine, {
              machineId: `${machine}${attack}`,
              computerDnsName: attack,
              requestor: attack,
              requestorComment: attack,
              status: attack,
            }),
          ),
        }),
      )
      const check = Effect.fnUntraced(function* (place: string) {
        const found = yield* step(() =>
          page.evaluate(() => ({
            attacked: "attacked" in globalThis,
            elements: document.querySelectorAll(
              "img,iframe,base,link,form,object,embed,body script:not(#data):not(:last-of-type)",
            ).length,
            links: Array.from(document.querySelectorAll("a"), (link) => link.getAttribute("href")),
            handlers: Array.from(document.querySelectorAll("*")).filter((element) =>
              element.getAttributeNames().some((name) => name.startsWith("on")),
            ).length,
          })),
        )
        assert.deepStrictEqual({ ...found, links: 0 }, { attacked: false, elements: 0, links: 0, handlers: 0 }, place)
        const links = found.links.filter(
          (link) => !/^(#[a-z]+(\/[\w.!~*'()%-]+)?|[0-9a-f-]{36}\/\d+\.json)$/.test(link ?? ""),
        )
        assert.deepStrictEqual(links, [], place)
      })
      for (const view of views) {
        yield* go(page, view)
        yield* check(view)
        if ((yield* step(() => page.locator("[role=grid]").count())) === 0) continue
        yield* step(() => page.locator("[role=gridcell]").first().click())
        yield* check(`${view}, open`)
      }
      yield* go(page, "machines")
      yield* step(() => page.locator("[role=grid]").focus())
      for (const machine of attacks.keys()) {
        yield* step(() => page.keyboard.press("Enter"))
        yield* step(() => page.waitForSelector("main .machine"))
        yield* check(`machine ${machine}`)
        yield* step(() => page.keyboard.press("4"))
        yield* step(() => page.waitForSelector("[role=grid]:focus"))
        yield* step(() => page.keyboard.press("ArrowDown"))
      }
      yield* go(page, "results")
      const csv = yield* download(page, "Save CSV")
      assert.notMatch(csv, /(^|,|")[=@]/m)
      assert.deepStrictEqual(problems, [])
      assert.notInclude(box.read("results/report.html").toString(), "attacked")
    }).pipe(Effect.scoped),
  )

  it.effect("is accessible in both themes", () =>
    Effect.gen(function* () {
      const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")
      for (const colorScheme of ["light", "dark"] as const) {
        // The checks are a script that the page's policy would not run.
        const { page } = yield* opened(fillCase, { colorScheme, bypassCSP: true })
        const check = Effect.fnUntraced(function* (view: string) {
          const found = yield* step(() =>
            page.evaluate(
              `${axe}; axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ": " + nodes.map(({ html }) => html.slice(0, 200)).join(" ")))`,
            ),
          )
          assert.deepStrictEqual(found, [], `${view}, ${colorScheme}`)
        })
        for (const view of views) {
          yield* go(page, view)
          yield* check(view)
        }
        yield* go(page, "results")
        yield* step(() => page.locator("[role=gridcell]").first().click())
        yield* check("a result")
        yield* step(() => page.click("aside a[href^='#machine/']"))
        yield* check("a machine")
      }
    }).pipe(Effect.scoped),
  )

  it.effect("writes elsewhere, with links that lead back, and replaces no other file", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      fillCase(box)
      box.write("reports/notes.html", "mine")
      const refused = yield* box.run({ args: ["report", "results", "--out", "reports/notes.html"] })
      assert.strictEqual(refused.exitCode, 2)
      assert.include(refused.stderr, "reports/notes.html exists and is not an HTML file; choose another name")
      for (const directory of ["results", "results/", "."]) {
        const { exitCode, stderr } = yield* box.run({ args: ["report", "results", "--out", directory] })
        const why = `live-response: ${directory} is a directory; name a file, which may be in it\n`
        assert.deepStrictEqual([exitCode, stderr], [2, why])
      }
      const ended = yield* box.run({ args: ["report", "results", "--out", "reports/case 1.html", "--json"] })
      assert.deepStrictEqual(
        Cli.ndjson(ended.stdout).map(({ failed, machines, report, results }) => ({
          failed,
          machines,
          report,
          results,
        })),
        [{ failed: 1, machines: 8, report: "reports/case 1.html", results: 5 }],
      )
      const text = yield* box.run({ args: ["report", "results", "--out", "reports/case 1.html"] })
      assert.match(text.stdout, /^8 machines, 5 results and 1 failure in reports\/case 1\.html \(/)
      const status = yield* box.run({ args: ["status", "results", "--json"] })
      assert.deepInclude(Cli.ndjson(status.stdout)[0], { failed: 1, machines: 8, results: 5 })
      assert.strictEqual(box.mode("reports/case 1.html") & 0o777, 0o600)
      const { page } = yield* Browser.open(box.path("reports/case 1.html"))
      assert.include(yield* step(() => page.innerText("header")), "5 results, 1 failed · written")
      yield* go(page, "results")
      yield* step(() => page.locator("[role=gridcell]").first().click())
      const link = yield* step(() => page.locator("aside a[href$='.json']").getAttribute("href"))
      assert.strictEqual(link, `../results/${Directory.pathOf({ machine: 0 })}`)
    }).pipe(Effect.scoped),
  )

  it.effect("has the page that its sources make", () =>
    Effect.gen(function* () {
      const page = Docs.read("packages/cli/src/commands/report/page.json")
      assert.strictEqual(page, yield* step(build), "run: npm run build:report")
    }),
  )
})
