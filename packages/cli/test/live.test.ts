/**
 * `--listen`: the page that shows results as they arrive, health, readiness and metrics, and who may read them.
 */
import { mkdirSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { availableParallelism, loadavg } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { FromString } from "@live-response/core/ResultRef"
import type * as Simulator from "@live-response/core/testing/Simulator"
import { freePort } from "@live-response/node/testing/FreePort"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { Page } from "playwright-core"
import { sharedLayer } from "../../core/test/support/sharedLayer.ts"
import * as LiveAccess from "../src/commands/report/liveAccess.ts"
import * as LiveHealth from "../src/commands/report/liveHealth.ts"
import * as Browser from "./support/Browser.ts"
import * as Cli from "./support/CliInProcess.ts"
import * as Directory from "./support/Directory.ts"
import * as Machines from "./support/Machines.ts"
import * as Samples from "./support/Samples.ts"
import * as ServedSimulator from "./support/ServedSimulator.ts"

const decodeRef = Schema.decodeSync(FromString)

/** A session that has finished just now, and its result. */
const put = Effect.fnUntraced(function* (simulator: Simulator.Service, n: number) {
  const now = DateTime.formatIso(DateTime.makeUnsafe(yield* Clock.currentTimeMillis))
  yield* simulator.addAction({
    id: Samples.action(n),
    type: "LiveResponse",
    status: "Succeeded",
    machineId: Machines.machineAt(n),
    computerDnsName: Directory.nameOf(n),
    requestor: "soc@contoso.com",
    creationDateTimeUtc: now,
    lastUpdateDateTimeUtc: now,
    commands: [
      {
        index: 0,
        commandStatus: "Completed",
        command: { type: "RunScript", params: [{ key: "ScriptName", value: "a.ps1" }] },
      },
    ],
  })
  yield* simulator.add(decodeRef(`${Samples.action(n)}:0`), {
    content: Directory.script({ script_output: `result of ${n}` }),
  })
})

const follow = (env: Readonly<Record<string, string>>, listen: string) => ({
  args: ["download", "--follow", "--out", "results", "--listen", listen],
  env: { ...env, LIVE_RESPONSE_FOLLOW_EVERY: "300 millis", LIVE_RESPONSE_VISIBLE_WITHIN: "2 seconds" },
})

const addressOf = Effect.fnUntraced(function* (running: Cli.Running) {
  const find = () => /live page: (http:\S+?)\/?(?:\?|\s)/.exec(running.stderr())?.[1]
  yield* Cli.until(
    () => find() !== undefined,
    () => `the address\n${running.stderr()}`,
  )
  return find() ?? ""
})

/**
 * A collector that serves its page, with one result, on a port where the test may start it again. The variables are added to its own.
 */
const collecting = Effect.fnUntraced(function* (variables: Readonly<Record<string, string>> = {}) {
  const { env, simulator } = yield* ServedSimulator.serve()
  yield* put(simulator, 1)
  const box = yield* Cli.sandbox
  const running = yield* box.start(follow({ ...env, ...variables }, `127.0.0.1:${yield* freePort}`))
  return { address: yield* addressOf(running), box, env, running, simulator }
})

const request = Effect.fnUntraced(
  function* (address: string, headers: Readonly<Record<string, string>> = {}, method: "GET" | "POST" = "GET") {
    const client = yield* HttpClient.HttpClient
    const response = yield* client.execute(HttpClientRequest.make(method)(address, { headers }))
    return { status: response.status, headers: response.headers, text: yield* response.text }
  },
  Effect.provide(FetchHttpClient.layer),
  Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
)

const isQuiet = (): boolean => (loadavg()[0] ?? 0) < availableParallelism()

const step = <A>(body: () => Promise<A>) => Effect.promise(body)

const chromium = sharedLayer(Browser.Chromium.layer)

/** Answers all that a page asks for as a proxy does whose collector is gone. Counts what is asked. */
const loseCollector = Effect.fnUntraced(function* (page: Page, address: string) {
  const asked = { times: 0 }
  yield* step(() =>
    page.route(`${address}/**`, (route) => {
      asked.times++
      return route.fulfill({ status: 502, body: "Bad Gateway" })
    }),
  )
  const untilAsked = (times: number) =>
    Cli.until(
      () => asked.times >= times,
      () => `${asked.times} of ${times} questions`,
    )
  return { untilAsked, find: step(() => page.unroute(`${address}/**`)) }
})

describe("--listen", () => {
  it.live("shows a result within two seconds, and reconnects after the collector was killed", () =>
    Effect.gen(function* () {
      const { address, box, env, running: first, simulator } = yield* collecting()
      const { page, problems } = yield* Browser.visit(`${address}/#results`)
      const shown = (n: number) =>
        step(() => page.waitForSelector(`[role=gridcell]:text-is("${Directory.nameOf(n)}")`, { timeout: 60_000 }))
      yield* shown(1)
      assert.match(yield* step(() => page.locator("header .live").innerText()), /live$/)
      yield* step(() => page.fill("[aria-label='Search results']", "ws-"))
      yield* put(simulator, 2)
      yield* Cli.until(
        () => box.sizeOf(Directory.pathOf({ machine: 2 })) > 0,
        () => `a result\n${first.stderr()}`,
      )
      const downloadedAt = yield* Clock.currentTimeMillis
      yield* shown(2)
      const delay = (yield* Clock.currentTimeMillis) - downloadedAt
      // On a machine with more work than processors, the delay says nothing of the page.
      if (isQuiet()) assert.isAtMost(delay, 2_000)
      assert.strictEqual(yield* step(() => page.inputValue("[aria-label='Search results']")), "ws-")
      assert.strictEqual(yield* step(() => page.locator(".toolbar .summary").innerText()), "2 of 2 results")

      yield* step(() => page.locator("[role=gridcell]").first().click())
      const link = yield* step(() => page.locator("aside a[href$='.json']").getAttribute("href"))
      const raw = yield* request(`${address}/${link}`)
      assert.include(raw.text, "result of 1")
      assert.match(raw.headers["content-disposition"] ?? "", /^attachment/)

      yield* first.signal("SIGKILL")
      yield* first.ended
      yield* step(() => page.waitForSelector("header .live:text('disconnected')"))
      yield* put(simulator, 3)
      const second = yield* box.start(follow(env, new URL(address).host))
      yield* addressOf(second)
      yield* shown(3)
      yield* step(() => page.waitForSelector("header .live:text-is('live')"))
      assert.deepStrictEqual(problems, [])
      yield* second.signal("SIGINT")
      assert.strictEqual((yield* second.ended).exitCode, 130)
    }).pipe(Effect.scoped, Effect.provide(chromium)),
  )

  it.live("shows the same in two browsers, which notice the end of a collector whose directory was replaced", () =>
    Effect.gen(function* () {
      const { address, box, running, simulator } = yield* collecting()
      const pages = yield* Effect.all([1, 2].map(() => Browser.visit(`${address}/#results`)))
      const shown = (n: number) =>
        Effect.forEach(pages, ({ page }) =>
          step(() => page.waitForSelector(`[role=gridcell]:text-is("${Directory.nameOf(n)}")`, { timeout: 60_000 })),
        )
      yield* shown(1)
      yield* put(simulator, 2)
      yield* shown(2)
      assert.deepStrictEqual(
        pages.flatMap(({ problems }) => problems),
        [],
      )
      // Somebody removes the directory and makes another one.
      rmSync(box.path("results"), { recursive: true })
      mkdirSync(box.path("results"), { mode: 0o700 })
      yield* put(simulator, 3)
      const ended = yield* running.ended
      assert.isAbove(ended.exitCode ?? 0, 0)
      assert.include(ended.stderr, "it was removed or replaced while it was in use")
      for (const { page } of pages) yield* step(() => page.waitForSelector("header .live:text('disconnected')"))
    }).pipe(Effect.scoped, Effect.provide(chromium)),
  )

  it.live("shows new results in each of eight tabs, and says in each that the collector does not answer", () =>
    Effect.gen(function* () {
      const { address, running, simulator } = yield* collecting()
      const browser = yield* Browser.Chromium
      const context = yield* Effect.acquireRelease(
        step(() => browser.newContext()),
        (context) => step(() => context.close()),
      )
      // Tabs of one browser share its connections to a host.
      const tabs = yield* Effect.forEach(Array.from({ length: 8 }), () =>
        step(() => context.newPage().then((page) => page.goto(`${address}/#results`).then(() => page))),
      )
      const each = (selector: string) =>
        Effect.forEach(tabs, (page) => step(() => page.waitForSelector(selector, { timeout: 60_000 })))
      yield* each(`[role=gridcell]:text-is("${Directory.nameOf(1)}")`)
      yield* put(simulator, 2)
      yield* each(`[role=gridcell]:text-is("${Directory.nameOf(2)}")`)
      yield* each("header .live:text-is('live')")
      // It still accepts connections, and answers nobody.
      yield* running.signal("SIGSTOP")
      yield* each("header .live:text('disconnected')")
      yield* running.signal("SIGCONT")
      yield* each("header .live:text-is('live')")
    }).pipe(Effect.scoped, Effect.provide(chromium)),
  )

  it.live("shows the same group and the same machine after all was read again in another order", () =>
    Effect.gen(function* () {
      const { address, box, env, running: first, simulator } = yield* collecting()
      yield* put(simulator, 2)
      const { page: group } = yield* Browser.visit(`${address}/#stack`)
      yield* step(() => group.click("[role=gridcell]:text-is('result of 2')", { timeout: 60_000 }))
      yield* step(() => group.click("button:text-is('Show these results')"))
      const { page: machine } = yield* Browser.visit(`${address}/#machines`)
      const name = Directory.nameOf(2)
      yield* step(() => machine.click(`[role=gridcell]:text-is("${name}")`, { timeout: 60_000 }))
      yield* step(() => machine.waitForSelector(`main h2:text-is("${name}")`))

      yield* first.signal("SIGKILL")
      yield* first.ended
      for (const file of ["actions", "manifest"]) {
        const path = `results/${file}.jsonl`
        box.write(path, `${String(box.read(path)).trimEnd().split("\n").toReversed().join("\n")}\n`)
      }
      yield* put(simulator, 3)
      yield* addressOf(yield* box.start(follow(env, new URL(address).host)))
      for (const page of [group, machine]) {
        yield* step(() => page.waitForSelector("header:has-text('3 results')", { timeout: 60_000 }))
      }
      const cells = group.locator("[role=rowgroup].body [role=row] [role=gridcell]:first-child")
      assert.deepStrictEqual(yield* step(() => cells.allInnerTexts()), [name])
      assert.strictEqual(yield* step(() => machine.locator("main h2").first().innerText()), name)
      // The address names the machine, and not its number in the data.
      yield* step(() => machine.reload())
      yield* step(() => machine.waitForSelector(`main h2:text-is("${name}")`, { timeout: 60_000 }))
    }).pipe(Effect.scoped, Effect.provide(chromium)),
  )

  it.live(
    "reloads a page that can't read the data of an upgraded collector, and reports data that no page can read",
    () =>
      Effect.gen(function* () {
        const { address, simulator } = yield* collecting()
        const { page } = yield* Browser.visit(`${address}/#results`)
        const shown = (n: number) =>
          step(() => page.waitForSelector(`[role=gridcell]:text-is("${Directory.nameOf(n)}")`, { timeout: 60_000 }))
        const state = (text: string) => step(() => page.waitForSelector(`:text("${text}")`, { timeout: 60_000 }))
        // The next release writes other data. Only its own page can read that.
        const upgrade = step(() =>
          page.route("**/data?*", (route) =>
            route
              .fetch()
              .then((response) =>
                response
                  .text()
                  .then((text) => route.fulfill({ response, body: text.replace('"version":1', '"version":2') })),
              ),
          ),
        )
        yield* shown(1)
        yield* upgrade
        const reloaded = yield* Effect.forkChild(step(() => page.waitForEvent("load", { timeout: 60_000 })))
        yield* put(simulator, 2)
        yield* state("can't read the new results, reloading this page")
        // While the collector restarts, there is no page to load.
        const collector = yield* loseCollector(page, address)
        yield* collector.untilAsked(16)
        yield* collector.find
        yield* Fiber.join(reloaded)
        // Another reload would be the same again.
        yield* state("can't read the results: its data is of another version; reload this page")
        yield* step(() => page.unroute("**/data?*"))
        yield* shown(2)
        yield* step(() => page.waitForSelector("header .live:text-is('live')"))
      }).pipe(Effect.scoped, Effect.provide(chromium)),
  )

  it.live("stays in the browser while a proxy answers that the collector is gone", () =>
    Effect.gen(function* () {
      const { address, simulator } = yield* collecting()
      const { page } = yield* Browser.visit(`${address}/#results`)
      const shown = (n: number) =>
        step(() => page.waitForSelector(`[role=gridcell]:text-is("${Directory.nameOf(n)}")`, { timeout: 60_000 }))
      yield* shown(1)
      const collector = yield* loseCollector(page, address)
      yield* collector.untilAsked(4)
      yield* step(() => page.waitForSelector("header .live:text('disconnected')"))
      yield* collector.find
      yield* put(simulator, 2)
      yield* shown(2)
    }).pipe(Effect.scoped, Effect.provide(chromium)),
  )

  it.live("keeps the active row, the rows on the screen and what is selected when rows are added", () =>
    Effect.gen(function* () {
      const { address, simulator } = yield* collecting()
      for (let n = 100; n < 160; n++) yield* put(simulator, n)
      const { page, problems } = yield* Browser.visit(`${address}/#results`)
      const added = Effect.fnUntraced(function* (n: number, count: number) {
        yield* put(simulator, n)
        yield* step(() => page.waitForSelector(`header:has-text('${count} results')`, { timeout: 60_000 }))
      })
      yield* added(2, 62)
      // Backwards, so that machines 3 to 9 are above all others.
      for (const _ of [1, 2]) yield* step(() => page.click("button.sort:text-is('Machine')"))
      const cell = page.locator(`[role=gridcell]:text-is("${Directory.nameOf(119)}")`)
      const top = Effect.map(
        step(() => cell.boundingBox()),
        (box) => box?.y,
      )
      const active = step(() => page.locator("[aria-selected=true] [role=gridcell]").first().innerText())

      // The first row is not chosen yet.
      assert.strictEqual(yield* active, Directory.nameOf(2))
      yield* added(3, 63)
      assert.strictEqual(yield* active, Directory.nameOf(3))

      yield* step(() => page.locator("[role=grid]").focus())
      yield* added(4, 64)
      assert.strictEqual(yield* active, Directory.nameOf(3))
      const first = page.locator("[role=rowgroup].body [role=gridcell]").first()
      assert.strictEqual(yield* step(() => page.locator("[role=grid]").evaluate(({ scrollTop }) => scrollTop)), 0)
      assert.strictEqual(yield* step(() => first.innerText()), Directory.nameOf(4))
      for (let n = 159; n >= 118; n--) yield* step(() => page.keyboard.press("ArrowDown"))
      assert.strictEqual(yield* active, Directory.nameOf(119))
      const before = yield* top
      yield* added(5, 65)
      assert.strictEqual(yield* active, Directory.nameOf(119))
      assert.strictEqual(yield* top, before)
      yield* step(() => cell.evaluate((element) => getSelection()?.selectAllChildren(element)))
      // At the end.
      yield* added(0, 66)
      assert.strictEqual(yield* step(() => page.evaluate(() => String(getSelection()))), Directory.nameOf(119))
      yield* step(() => page.keyboard.press("Enter"))
      assert.include(yield* step(() => page.locator("aside").innerText()), Directory.nameOf(119))
      assert.deepStrictEqual(problems, [])
    }).pipe(Effect.scoped, Effect.provide(chromium)),
  )

  it.live("shows new counts, and a machine's new results, without moving what the reader looks at", () =>
    Effect.gen(function* () {
      const { address, simulator } = yield* collecting()
      yield* put(simulator, 2)
      const { page: summary } = yield* Browser.visit(`${address}/`)
      const { page: machine } = yield* Browser.visit(`${address}/#machines`)
      yield* step(() => machine.click(`[role=gridcell]:text-is("${Directory.nameOf(2)}")`, { timeout: 60_000 }))
      for (const page of [summary, machine]) {
        yield* step(() => page.waitForSelector("header:has-text('2 results')", { timeout: 60_000 }))
        yield* step(() => page.setViewportSize({ width: 600, height: 300 }))
      }
      const scroll = (page: Page) =>
        step(() => page.locator("main > .scroll").evaluate((element) => (element.scrollTop = element.scrollHeight)))
      const scrolled = (page: Page) => step(() => page.locator("main > .scroll").evaluate(({ scrollTop }) => scrollTop))
      const focused = (page: Page) => step(() => page.evaluate(() => document.activeElement?.textContent))
      yield* step(() => summary.locator(".figure a:has-text('results')").nth(0).focus())
      yield* step(() => machine.locator("button:text-is('Copy')").first().focus())
      yield* Effect.forEach([summary, machine], scroll)
      const places = yield* Effect.all([summary, machine].map(scrolled))
      yield* put(simulator, 3)
      for (const page of [summary, machine]) {
        yield* step(() => page.waitForSelector("header:has-text('3 results')", { timeout: 60_000 }))
      }
      assert.deepStrictEqual(yield* Effect.all([summary, machine].map(scrolled)), places)
      assert.isAbove(Math.min(...places), 0)
      assert.strictEqual(yield* focused(summary), "3results")
      assert.strictEqual(yield* focused(machine), "Copy")
    }).pipe(Effect.scoped, Effect.provide(chromium)),
  )

  it.live("has all results in a tab that was hidden while they arrived", () =>
    Effect.gen(function* () {
      const { address, box, running, simulator } = yield* collecting()
      const { page, problems } = yield* Browser.visit(`${address}/#results`)
      const shown = (n: number) =>
        step(() => page.waitForSelector(`[role=gridcell]:text-is("${Directory.nameOf(n)}")`, { timeout: 60_000 }))
      // Headless Chromium reports each of its tabs as visible.
      const setHidden = (isHidden: boolean) =>
        step(() =>
          page.evaluate(`
            Object.defineProperty(document, "hidden", { configurable: true, value: ${isHidden} })
            document.dispatchEvent(new Event("visibilitychange"))
          `),
        )
      const downloaded = (n: number) =>
        Cli.until(
          () => box.sizeOf(Directory.pathOf({ machine: n })) > 0,
          () => `result ${n}\n${running.stderr()}`,
        )
      yield* shown(1)
      for (const n of [2, 4]) {
        yield* setHidden(true)
        for (const each of [n, n + 1]) {
          yield* put(simulator, each)
          yield* downloaded(each)
        }
        yield* setHidden(false)
        yield* shown(n)
        yield* shown(n + 1)
      }
      yield* put(simulator, 6)
      yield* shown(6)
      assert.strictEqual(yield* step(() => page.locator(".toolbar .summary").innerText()), "6 of 6 results")
      assert.deepStrictEqual(problems, [])
    }).pipe(Effect.scoped, Effect.provide(chromium)),
  )

  it.live("reports its health, and is read by nobody else", () =>
    Effect.gen(function* () {
      const token = "a secret of sixteen or more"
      const { address, box, running } = yield* collecting({ LIVE_RESPONSE_LISTEN_TOKEN: token })
      const authorization = `Bearer ${token}`
      yield* Cli.until(
        () => box.sizeOf(Directory.pathOf({ machine: 1 })) > 0,
        () => `a result\n${running.stderr()}`,
      )
      const ready = yield* request(`${address}/ready`, { authorization }).pipe(
        Effect.repeat({ until: ({ status }) => status === 200, schedule: Schedule.spaced("20 millis") }),
      )
      const health = JSON.parse(ready.text)
      assert.strictEqual(health.status, "ok")
      assert.match(health.lastLook, /^\d{4}-.*Z$/)
      assert.strictEqual((yield* request(`${address}/health`, { authorization })).status, 200)
      const metrics = yield* request(`${address}/metrics`, { authorization }).pipe(
        Effect.repeat({
          until: ({ text }) => text.includes("live_response_results"),
          schedule: Schedule.spaced("20 millis"),
        }),
      )
      assert.match(metrics.text, /^live_response_results\{outcome="completed"\} 1$/m)

      const without = yield* request(`${address}/`)
      assert.strictEqual(without.status, 401)
      assert.strictEqual((yield* request(`${address}/health`, { authorization: "Bearer x" })).status, 401)
      const signedIn = yield* request(`${address}/?token=${encodeURIComponent(token)}`)
      assert.strictEqual(signedIn.status, 303)
      assert.strictEqual(signedIn.headers["location"], "/")
      assert.match(signedIn.headers["set-cookie"] ?? "", /HttpOnly.*SameSite=Strict|SameSite=Strict.*HttpOnly/i)
      const page = yield* request(`${address}/`, { cookie: (signedIn.headers["set-cookie"] ?? "").split(";")[0] ?? "" })
      assert.match(page.headers["content-security-policy"] ?? "", /default-src 'none'.*frame-ancestors 'none'/)
      assert.strictEqual((yield* request(`${address}/`, { authorization }, "POST")).status, 405)
      const ofSite = (site: string) => request(`${address}/version`, { authorization, "sec-fetch-site": site })
      assert.strictEqual((yield* ofSite("cross-site")).status, 403)
      assert.strictEqual((yield* ofSite("same-origin")).status, 200)
      for (const path of ["files/../manifest.jsonl", `files/${Samples.action(1)}/../../manifest.jsonl`, "x"]) {
        assert.strictEqual((yield* request(`${address}/${path}`, { authorization })).status, 404, path)
      }
      assert.notInclude(running.stderr(), token)
    }).pipe(Effect.scoped),
  )

  it.live("fails in one line where it can't listen, or anybody could read", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const { env } = yield* ServedSimulator.serve()
      const taken = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const server = createServer()
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close()),
      )
      const address = taken.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const inUse = yield* box.run(follow(env, `127.0.0.1:${port}`))
      assert.strictEqual(inUse.exitCode, 4)
      assert.include(inUse.stderr, `can't listen on 127.0.0.1:${port}: the port is in use; choose another port`)
      const open = yield* box.run(follow(env, "0.0.0.0:0"))
      assert.strictEqual(open.exitCode, 2)
      assert.include(
        open.stderr,
        "--listen 0.0.0.0:0 can be reached from other machines; set LIVE_RESPONSE_LISTEN_TOKEN",
      )
      const bad = yield* box.run(follow(env, "localhost"))
      assert.strictEqual(bad.exitCode, 2)
    }).pipe(Effect.scoped),
  )
})

describe("who may read", () => {
  const request = { host: "127.0.0.1:8080", authorization: "", cookie: "", query: "" }

  it("is this machine alone without a token, by a name of its own", () => {
    const decide = (host: string) => LiveAccess.decide({ token: undefined }, { ...request, host })
    for (const host of ["127.0.0.1:1", "localhost", "LOCALHOST:80", "[::1]:8080", "127.9.9.9"]) {
      assert.strictEqual(decide(host), "allowed", host)
    }
    for (const host of [
      "",
      "attacker.example",
      "127.0.0.1.attacker.example",
      "localhost.attacker.example:80",
      "10.0.0.1",
    ]) {
      assert.strictEqual(decide(host), "foreign host", host)
    }
    assert.isTrue(LiveAccess.isLoopback("127.0.0.1") && LiveAccess.isLoopback("::1"))
    assert.isFalse(LiveAccess.isLoopback("0.0.0.0") || LiveAccess.isLoopback("::"))
  })
})

describe("pages of other sites", () => {
  it("get no answer, and may have links", () => {
    for (const site of ["cross-site", "same-site"]) {
      for (const mode of ["no-cors", "cors", undefined]) assert.isTrue(LiveAccess.isOfOtherSite(site, mode))
      assert.isFalse(LiveAccess.isOfOtherSite(site, "navigate"))
    }
    for (const site of ["same-origin", "none", undefined]) assert.isFalse(LiveAccess.isOfOtherSite(site, "cors"))
  })
})

describe("health", () => {
  const minute = 60_000
  const iso = String
  const start = (): LiveHealth.Looks => ({ startedAt: 0, last: undefined, every: undefined, problem: undefined })

  it("is stale when searches stop, or the service can't be reached for two minutes", () => {
    const looks = start()
    const status = (now: number) => LiveHealth.healthOf(looks, now, iso).status
    assert.strictEqual(status(minute), "starting")
    LiveHealth.observe(looks, { event: "searched", every: 30_000 }, minute)
    assert.deepStrictEqual(LiveHealth.healthOf(looks, 2 * minute, iso), {
      status: "ok",
      lastLook: String(minute),
      lagSeconds: 60,
    })
    assert.strictEqual(status(5 * minute), "stale")
    LiveHealth.observe(looks, { event: "searched", every: 30_000 }, 5 * minute)
    LiveHealth.observe(looks, { event: "offline", message: "no route" }, 6 * minute)
    LiveHealth.observe(looks, { event: "offline", message: "again" }, 7 * minute)
    assert.strictEqual(status(7.5 * minute), "ok")
    assert.strictEqual(status(8.1 * minute), "stale")
    assert.strictEqual(LiveHealth.healthOf(looks, 8 * minute, iso).problem, "no route")
    LiveHealth.observe(looks, { event: "other" }, 8 * minute)
    assert.strictEqual(status(8.1 * minute), "ok")
  })

  it("is not stale while a run waits for machines", () => {
    const looks = start()
    LiveHealth.observe(looks, { event: "other" }, minute)
    assert.strictEqual(LiveHealth.healthOf(looks, 90 * minute, iso).status, "ok")
  })
})
