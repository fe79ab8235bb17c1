// What a report of 100,000 results costs: writing it, its file, and the page in headless Chromium. Each figure is printed beside its
// bound (docs/report.md).
//
//     node packages/cli/bench/report.mjs [--results 100000] [--distinct 0.05] [--write]
//
// With --write, the figures replace the table in docs/report.md.
import { execFileSync, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { createHash } from "node:crypto"
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs"
import { cpus, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { parseArgs } from "node:util"
import { chromium } from "playwright-core"

const { values } = parseArgs({
  options: {
    results: { type: "string", default: "100000" },
    distinct: { type: "string", default: "0.05" },
    write: { type: "boolean", default: false },
  },
})
const count = Number(values.results)
const distinct = Math.max(1, Math.round(count * Number(values.distinct)))

const main = fileURLToPath(new URL("../dist/bin.js", import.meta.url))
const root = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "live-response-bench-"))
const directory = join(root, "case")

const printed = []

/** A figure and its bound have the same unit. What misses its bound says so in the table. */
function print(name, figure, bound) {
  const isMissed = bound !== undefined && !(parseFloat(figure) <= parseFloat(bound))
  const atMost = `${bound ?? ""}${isMissed ? ", missed" : ""}`
  printed.push([name, figure, atMost])
  console.log(`${name.padEnd(24)}${figure.padStart(10)}${bound === undefined ? "" : `   (at most ${atMost})`}`)
}

const hex = (text) => createHash("sha256").update(text).digest("hex")

const at = (seconds) => new Date(Date.UTC(2026, 10, 25) + seconds * 1000).toISOString()

/** Two script results for each machine. A share of the outputs differs. */
function make(directory) {
  mkdirSync(directory, { mode: 0o700 })
  const open = (name) => openSync(join(directory, name), "w", 0o600)
  const [manifest, actions] = [open("manifest.jsonl"), open("actions.jsonl")]
  for (let machine = 0; machine * 2 < count; machine++) {
    const id = hex(`action ${machine}`).replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, "$1-$2-4$3-8$4-$5")
    const origin = { machineId: hex(`machine ${machine}`).slice(0, 40), machineName: `ws-${machine}.contoso.com` }
    mkdirSync(join(directory, id), { mode: 0o700 })
    for (const index of [0, 1]) {
      const n = machine * 2 + index
      const agent = n % distinct
      const body = JSON.stringify({
        script_name: index === 0 ? "autoruns.ps1" : "services.ps1",
        exit_code: n % 97 === 0 ? 5 : 0,
        script_output: `Host ${origin.machineName}\r\nrun at ${at(n)}\r\n\r\nPath   : C:\\Program Files\\Contoso ${agent}\\agent-${hex(String(agent)).slice(0, 12)}.exe\r\nSigned : ${agent % 7 > 0}\r\n`,
        script_errors: n % 97 === 0 ? "Access is denied." : "",
      })
      const path = `${id}/${index}.json`
      writeFileSync(join(directory, path), body, { mode: 0o600 })
      const entry = {
        machineActionId: id,
        index,
        ...origin,
        links: 1,
        attempts: 1,
        at: at(n * 2.4),
        path,
        bytes: body.length,
      }
      writeSync(manifest, `${JSON.stringify({ status: "completed", version: 1, ...entry, sha256: hex(body) })}\n`)
    }
    const { machineId, machineName: computerDnsName } = origin
    const commands = [0, 1].map((index) => ({ index, type: "RunScript", status: "Completed", params: {}, errors: [] }))
    writeSync(
      actions,
      `${JSON.stringify({ id, type: "LiveResponse", status: "Succeeded", machineId, computerDnsName, commands, version: 1 })}\n`,
    )
  }
  for (const file of [manifest, actions]) closeSync(file)
}

/** Runs the program, and returns what it took. */
function run(...args) {
  const file = join(root, "time")
  const { status, stderr } = spawnSync(
    "/usr/bin/time",
    ["-o", file, "-f", "%U %S %M %e", process.execPath, main, ...args],
    {
      encoding: "utf8",
    },
  )
  if (status !== 0) throw new Error(stderr)
  const [user, system, kilobytes, seconds] = readFileSync(file, "utf8").trim().split(" ").map(Number)
  return { cpu: user + system, megabytes: kilobytes / 1024, seconds }
}

/** Runs in the page: each helper acts, and returns how long it took until the screen was drawn again. */
const helpers = `
  const timed = async (act) => {
    const start = performance.now()
    act()
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))
    return performance.now() - start
  }
  const find = (selector, text) => Array.from(document.querySelectorAll(selector)).find((each) => each.textContent === text)
  const set = (selector, event, change) => timed(() => {
    const element = document.querySelector(selector)
    change(element)
    element.dispatchEvent(new Event(event, { bubbles: true }))
  })
  globalThis.click = (selector, text) => timed(() => find(selector, text).click())
  globalThis.type = (selector, text) => set(selector, "input", (input) => (input.value = text))
  globalThis.choose = (text) => set("select", "change", (select) => {
    select.selectedIndex = Array.from(select.options).findIndex((option) => option.textContent === text)
  })
`

/** Starts the program, and returns what it prints once that has some form. */
async function start(args, env, form) {
  const child = spawn(process.execPath, [main, ...args], { env: { ...process.env, ...env } })
  let printed = ""
  for (const output of [child.stdout, child.stderr]) output.setEncoding("utf8").on("data", (text) => (printed += text))
  while (!form.test(printed)) {
    if (child.exitCode !== null) throw new Error(printed)
    await Promise.race([once(child.stdout, "data"), once(child.stderr, "data"), once(child, "exit")])
  }
  return { child, found: form.exec(printed)[1] }
}

/** Follows a simulated service into the directory, and prints when results are on the live page after their download. */
async function follow(directory) {
  const env = { LIVE_RESPONSE_TOKEN: "simulated-token", XDG_STATE_HOME: join(root, "state"), XDG_CONFIG_HOME: root }
  const service = await start(["simulate", "--port", "0"], env, /at (http:\S+?)\. /)
  // A result every three seconds.
  const quota = ["--polite", "--per-minute", "20", "--per-hour", "1200"]
  const args = [
    "download",
    "--follow",
    "--since",
    "2020-01-01",
    "--out",
    directory,
    "--listen",
    "127.0.0.1:0",
    ...quota,
  ]
  const collector = await start(args, { ...env, LIVE_RESPONSE_ENDPOINT: service.found }, /live page: (http:\S+?)\/?\s/)
  const manifest = join(directory, "manifest.jsonl")
  try {
    await withPage(async (page) => {
      const opened = performance.now()
      await page.goto(`${collector.found}/#results`)
      await page.waitForSelector("[role=gridcell]", { timeout: 300_000 })
      const sinceOpened = () => `${((performance.now() - opened) / 1000).toFixed(1)} s`
      print("live page, first rows", sinceOpened())
      await page.waitForSelector("header .live:text-is('live')", { timeout: 300_000 })
      print("live page, all rows", sinceOpened())
      await page.click("button.sort:text-is('First line')")
      const delays = []
      while (delays.length < 5) {
        const before = statSync(manifest).size
        while (statSync(manifest).size === before) await new Promise((resolve) => setTimeout(resolve, 5))
        const downloaded = performance.now()
        const lines = readFileSync(manifest, "utf8").split("\n").length - 1
        const text = `of ${lines.toLocaleString("en-US")} results`
        const shown = page.locator(".toolbar .summary", { hasText: text })
        await shown.waitFor({ timeout: 60_000 })
        delays.push((performance.now() - downloaded) / 1000)
      }
      print("a result, live", `${Math.max(...delays).toFixed(2)} s`, "2 s")
    })
    const status = readFileSync(`/proc/${collector.child.pid}/status`, "utf8")
    print("collector, peak memory", `${(Number(/VmHWM:\s+(\d+)/.exec(status)[1]) / 1024).toFixed(0)} MB`)
  } finally {
    for (const { child } of [collector, service]) child.kill()
  }
}

/** Opens the report, and prints what the page took, from a key to the drawn screen. */
async function browse(path) {
  await withPage(async (page) => {
    await page.goto(`${pathToFileURL(path).href}#results`)
    await page.waitForSelector("[role=gridcell]")
    const first = await page.evaluate(() => performance.getEntriesByName("first-rows")[0]?.startTime ?? NaN)
    print("first rows", `${(first / 1000).toFixed(2)} s`, "2.5 s")
    // The page computes what sorts need as soon as it has nothing else to do, which is before a person clicks.
    await page.evaluate(`(async () => { for (let i = 0; i < 20; i++) await new Promise(requestIdleCallback) })()`)
    await page.evaluate(helpers)
    for (const [name, step] of Object.entries(steps)) {
      const took = await page.evaluate(step)
      print(name, `${took.toFixed(0)} ms`, "150 ms")
    }
  })
}

const steps = {
  "sort by machine": `click("button.sort", "Machine")`,
  "sort by first line": `click("button.sort", "First line")`,
  "sort by SHA-256": `click("button.sort", "SHA-256")`,
  search: `type("[type=search]", "ws-4711")`,
  "search without a hit": `type("[type=search]", "no such text")`,
  "filter by exit code": `type("[aria-label='Filter Exit code']", ">0")`,
  "open the stack": `click("nav a", "Stack")`,
  "stack by first line": `choose("First line")`,
  "stack by a field": `choose("Field .Path")`,
}

/** Runs something with a page of headless Chromium. */
async function withPage(use) {
  const executablePath = execFileSync("which", ["chromium"], { encoding: "utf8" }).trim()
  const args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]
  const browser = await chromium.launch({ executablePath, args })
  try {
    await use(await browser.newPage({ viewport: { width: 1280, height: 800 } }))
  } finally {
    await browser.close()
  }
}

/** Puts the figures into the page of the docs. */
function writeTable() {
  const page = fileURLToPath(new URL("../../../docs/report.md", import.meta.url))
  const widths = ["measured", "result", "at most"].map((head, i) =>
    Math.max(head.length, ...printed.map((row) => row[i].length)),
  )
  const lineOf = (cells) =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(" | ")} |`
  const rule = `| ${widths.map((width, i) => (i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)).join(" | ")} |`
  const machine = `${cpus()[0].model.trim()}, ${cpus().length} cores, Node ${process.versions.node}, ${count.toLocaleString("en-US")} results:`
  const table = [machine, "", lineOf(["measured", "result", "at most"]), rule, ...printed.map(lineOf)].join("\n")
  const [start, end] = ["<!-- bench:report -->", "<!-- /bench:report -->"]
  const text = readFileSync(page, "utf8")
  writeFileSync(
    page,
    `${text.slice(0, text.indexOf(start) + start.length)}\n\n${table}\n\n${text.slice(text.indexOf(end))}`,
  )
}

try {
  make(directory)
  const write = run("report", directory)
  print("written", `${write.seconds.toFixed(1)} s`, "10 s")
  print("CPU", `${write.cpu.toFixed(1)} s`)
  print("peak memory", `${write.megabytes.toFixed(0)} MB`, "200 MB")
  const bytes = statSync(join(directory, "report.html")).size
  print("file", `${(bytes / 1e6).toFixed(1)} MB`, "12 MB")
  await browse(join(directory, "report.html"))
  await follow(directory)
  if (values.write) writeTable()
} finally {
  rmSync(root, { recursive: true, force: true })
}
