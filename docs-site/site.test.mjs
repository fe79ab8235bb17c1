// The site in headless Chromium, built without a network. Its pages must have been written: npm run docs:test does that.
import assert from "node:assert/strict"
import { execFileSync, spawnSync } from "node:child_process"
import { existsSync, readFileSync, readdirSync } from "node:fs"
import { createRequire } from "node:module"
import { after, before, test } from "node:test"
import { fileURLToPath } from "node:url"
import { names, packages } from "./generate/repository.mjs"
import { serve } from "./site.mjs"

// The tests of the report use them too.
const require = createRequire(new URL("../packages/cli/package.json", import.meta.url))
const { chromium } = require("playwright-core")
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8")

const builder = fileURLToPath(new URL("site.mjs", import.meta.url))
const flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

/** Starts a program in a namespace without a network, where this machine permits one: a container may permit none. */
const withoutNetwork = () => {
  // Root needs no namespace of users, which some machines forbid it.
  const commands = [
    ["unshare", "--net"],
    ["unshare", "--map-root-user", "--net"],
  ]
  const permitted = commands.find(([program, ...args]) => spawnSync(program, [...args, "true"]).status === 0)
  if (permitted === undefined)
    process.stderr.write("This machine permits no network namespace: the site is built with a network.\n")
  return permitted ?? []
}

let browser, origin, server

before(async () => {
  // What needs a network fails.
  const [program, ...args] = [...withoutNetwork(), process.execPath, builder, "build"]
  execFileSync(program, args, { stdio: ["ignore", 2, 2] })
  server = await serve(0)
  origin = `http://127.0.0.1:${server.port}`
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: flags })
})

after(async () => {
  await browser?.close()
  await server?.stop()
})

/** Opens a page and closes it, and fails if it reported an error, asked another host, or missed a file. */
const visit = async (path, options, use) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  const problems = []
  page.on("console", (message) => problems.push(`console: ${message.text()}`))
  page.on("pageerror", (error) => problems.push(`error: ${error.message}`))
  page.on("request", (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(`${origin}/`))
      problems.push(`request: ${request.url()}`)
  })
  page.on("response", (response) => {
    if (response.status() >= 400) problems.push(`${response.status()}: ${response.url()}`)
  })
  try {
    await page.goto(origin + path)
    await use(page)
  } finally {
    await context.close()
  }
  assert.deepEqual(problems, [], path)
}

/** Searches for a term, and follows the first hit. */
const search = async (page, term) => {
  await page.locator("site-search button[data-open-modal]").click()
  await page.locator("site-search dialog input").fill(term)
  await page.locator("site-search dialog .pagefind-ui__result-link").first().click()
  await page.waitForURL((url) => url.pathname !== "/")
}

for (const [term, path] of [
  ["slow_down", /^\/(architecture|errors|sign-in)\//],
  ["withPermit", /^\/reference\/core\//],
  ["collect-package", /^\/reference\/commands\/collect-package\//],
]) {
  test(`a search for ${term} leads to a page that has it`, () =>
    visit("/", {}, async (page) => {
      await search(page, term)
      assert.match(new URL(page.url()).pathname, path)
      assert.ok((await page.locator("main").innerText()).includes(term), term)
    }))
}

const isDark = (page) =>
  page.evaluate(() => {
    const [red, green, blue] = getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number)
    return red + green + blue < 3 * 128
  })

test("it is dark where the reader's system is, and stays light once that was chosen", async () => {
  await visit("/download/", { colorScheme: "light" }, async (page) => assert.equal(await isDark(page), false))
  await visit("/download/", { colorScheme: "dark" }, async (page) => {
    assert.equal(await isDark(page), true)
    await page.locator("starlight-theme-select select").first().selectOption("light")
    assert.equal(await isDark(page), false)
    await page.reload()
    assert.equal(await isDark(page), false)
  })
})

for (const path of ["/", "/errors/", "/reference/commands/run/", "/reference/core/transfer/"]) {
  for (const colorScheme of ["light", "dark"]) {
    test(`${path} is accessible, and no wider than a phone (${colorScheme})`, () =>
      visit(path, { colorScheme, viewport: { width: 360, height: 740 } }, async (page) => {
        const width = await page.evaluate(() => document.documentElement.scrollWidth)
        assert.ok(width <= 360, `${width} pixels`)
        await page.evaluate(axe)
        const { violations } = await page.evaluate(() => globalThis.axe.run({ runOnly: ["wcag2a", "wcag2aa"] }))
        assert.deepEqual(
          violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`),
          [],
        )
      }))
  }
}

const htmlOf = (name) => {
  const path = new URL(`dist/${name === "index" ? "" : `${name}/`}index.html`, import.meta.url)
  return existsSync(path) ? readFileSync(path, "utf8") : undefined
}

test("it has every page of the repository", () => {
  assert.deepEqual(
    [...names.values()].filter((name) => htmlOf(name) === undefined),
    [],
  )
})

test("its commands are those of the help: no page names what the help hides, or lists values of a flag twice", () => {
  const below = readdirSync(new URL("dist/reference/commands/", import.meta.url)).filter((name) => !name.includes("."))
  assert.ok(below.length > 10)
  for (const name of ["", ...below.map((name) => `/${name}`)])
    assert.doesNotMatch(htmlOf(`reference/commands${name}`) ?? "", /wizard|bash\||target…/, name)
})

for (const { modules, name } of packages) {
  test(`it has everything that a module of @live-response/${name} exports`, async () => {
    const missing = []
    for (const module of modules) {
      const html = htmlOf(`reference/${name}/${module.toLowerCase()}`) ?? ""
      const exported = Object.keys(await import(`../packages/${name}/src/${module}.ts`))
      missing.push(
        ...exported
          .filter((each) => !new RegExp(`<h3 id="[^"]*">${each}</h3>`).test(html))
          .map((each) => `${module}.${each}`),
      )
    }
    assert.deepEqual(missing, [])
  })
}
