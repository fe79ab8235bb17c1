/**
 * The screenshots in the docs, which `npm run docs:screenshots` makes: the report of `demo --run`, in both themes.
 */
import { mkdirSync, readdirSync, readFileSync } from "node:fs"
import { basename, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Browser from "./support/Browser.ts"
import * as Cli from "./support/Cli.ts"
import * as Docs from "./support/Docs.ts"

const size = { width: 1280, height: 800 }

/** In bytes. */
const largest = 150_000

const views = ["summary", "results"] as const
const themes = ["light", "dark"] as const

const names = views.flatMap((view) => themes.map((theme) => `report-${view}-${theme}.png`))

const stored = new URL("../../../docs/images/", import.meta.url)

/** Width and height of a PNG, from its header. */
const sizeOf = (png: Buffer) => {
  assert.strictEqual(png.toString("latin1", 1, 4), "PNG")
  return { width: png.readUInt32BE(16), height: png.readUInt32BE(20) }
}

const checkAll = (directory: URL | string) => {
  for (const name of names) {
    const png = readFileSync(directory instanceof URL ? new URL(name, directory) : join(directory, name))
    assert.deepStrictEqual(sizeOf(png), size, name)
    assert.isAtMost(png.length, largest, name)
  }
}

/** Writes all screenshots into a directory. */
const take = Effect.fnUntraced(function* (report: string, directory: string) {
  mkdirSync(directory, { recursive: true })
  for (const colorScheme of themes) {
    const options = { colorScheme, viewport: size, timezoneId: "UTC", locale: "en-US" }
    const { page, problems } = yield* Browser.open(report, options)
    for (const view of views) {
      yield* Effect.promise(() => page.click(`nav a[href="#${view}"]`))
      yield* Effect.promise(() => page.waitForSelector(`nav a[href="#${view}"][aria-current]`, { state: "attached" }))
      yield* Effect.promise(() => page.screenshot({ path: join(directory, `report-${view}-${colorScheme}.png`) }))
    }
    assert.deepStrictEqual(problems, [])
  }
}, Effect.scoped)

describe("the screenshots in the docs", () => {
  it("are there, are small, and each is shown", () => {
    checkAll(stored)
    assert.deepStrictEqual(readdirSync(stored).toSorted(), names.toSorted())
    const shown = Docs.matches(Docs.read("docs/report.md"), /^!\[[^\]]+\]\((\S+)\)$/gm)
    assert.deepStrictEqual(shown.map((path) => basename(path)).toSorted(), names.toSorted())
    const inReadme = Docs.matches(Docs.read("README.md"), /^!\[[^\]]+\]\((\S+)\)$/gm)
    assert.deepStrictEqual(inReadme, ["docs/images/report-summary-light.png"])
  })

  it.live("come from the command", () =>
    Effect.gen(function* () {
      const box = yield* Cli.sandbox
      const demo = yield* box.run({ args: ["demo", "--run"] })
      assert.strictEqual(demo.exitCode, 0, demo.stderr)
      const results = "live-response-results"
      const [run = ""] = readdirSync(box.path(results))
      const report = yield* box.run({ args: ["report", `${results}/${run}`] })
      assert.strictEqual(report.exitCode, 0, report.stderr)
      const directory = process.env["LIVE_RESPONSE_TEST_SCREENSHOTS"] ?? box.path("images")
      yield* take(box.path(`${results}/${run}/report.html`), directory)
      checkAll(directory)
    }).pipe(Effect.scoped, Effect.provide(Browser.Chromium.layer)),
  )
})
