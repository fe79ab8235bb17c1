/**
 * What bytes cost: this program beside its peers, on files of three sizes, from servers of its own on this machine.
 *
 * Each peer gets ready-made addresses and hashes nothing; this program asks an API for each link, hashes with SHA-256,
 * flushes each file, and writes manifest and quota log. `plain` does that too, in the fewest lines of Node that can: what it
 * costs is the work, and the rest is how this program does it. Runs take turns; the figures are those of the operating system for
 * the finished process (GNU time): CPU is user and system, memory is the peak. Every file is compared with what was served.
 *
 *     node packages/cli/bench/bytes.mjs [--rounds N] [--work large,half,medium,small,huge] [--peers ours,undici] [--base undici]
 *         [--tls] [-j N] [--latency MS] [--rate MBIT] [--json FILE] [--write] [--gate] [--reference]
 *
 * `--peers node,deno,bun` are a program with core alone, in these runtimes. `--base` is the peer that the CPU of the others is
 * divided by. `--latency` and `--rate` put the servers behind a link of that round trip and that many Mbit/s. `--write` replaces
 * the table in `docs/performance.md` for such connections: plain, over TLS or through a link, or the one of runtimes.
 * `npm run bench:bytes:write` replaces them all. `--gate` fails if a ratio of CPU is worse by a quarter than in
 * `bytes.reference.json`, which `--reference` writes.
 */
import { spawn, spawnSync } from "node:child_process"
import { createHash, randomFillSync } from "node:crypto"
import {
  createReadStream,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  openSync,
  writeSync,
  closeSync,
} from "node:fs"
import { createRequire } from "node:module"
import { cpus, tmpdir } from "node:os"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { figure, table } from "../../core/bench/table.ts"
import { binaryOf } from "../../core/test/runtimes/binaries.ts"
import { worse, writeReference, writeToPage } from "./bytes/report.mjs"

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    work: { type: "string", default: "large,medium,small" },
    peers: { type: "string" },
    base: { type: "string", default: "undici" },
    tls: { type: "boolean", default: false },
    concurrency: { type: "string", short: "j", default: "8" },
    latency: { type: "string", default: "0" },
    rate: { type: "string" },
    json: { type: "string" },
    write: { type: "boolean", default: false },
    gate: { type: "boolean", default: false },
    reference: { type: "boolean", default: false },
  },
})

const works = {
  large: { name: "1 × 2 GiB", count: 1, bytes: 2 * 1024 ** 3 },
  half: { name: "1 × 512 MiB", count: 1, bytes: 512 * 1024 ** 2 },
  medium: { name: "200 × 1 MiB", count: 200, bytes: 1024 ** 2 },
  small: { name: "2,000 × 4 KiB", count: 2000, bytes: 4096 },
  /** It shows whether memory stays flat. The file is sparse, and what is downloaded goes to the disk. */
  huge: { name: "1 × 20 GiB", count: 1, bytes: 20 * 1024 ** 3, isSparse: true },
}

const here = fileURLToPath(new URL(".", import.meta.url))
const bundle = join(here, "../dist/bin.js")
const bin = existsSync(bundle) ? bundle : join(here, "../src/bin.ts")

const isAvailable = (program) => spawnSync(program, ["--version"]).status === 0

if (!isAvailable("/usr/bin/time")) {
  console.error("bench:bytes needs GNU time for the figures of a finished process: apt-get install time")
  process.exit(1)
}

/** Memory-backed where the machine has that, so that the disk is not what is measured. */
const root = mkdtempSync(join(process.platform === "linux" ? "/dev/shm" : tmpdir(), "live-response-bench-"))
process.on("exit", () => rmSync(root, { recursive: true, force: true }))
process.once("SIGINT", () => process.exit(130))

const nameOf = (n) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`

/** Where downloads go: a large one would not fit into memory. */
const disk = mkdtempSync(join(tmpdir(), "live-response-bench-"))
process.on("exit", () => rmSync(disk, { recursive: true, force: true }))
const outOf = ({ isSparse }) => join(isSparse === true ? disk : root, "out")

/** Random bytes, so that nothing on the way can compress them. Gives their SHA-256 by number. */
const writeFiles = ({ bytes, count, isSparse = false }) => {
  rmSync(join(root, "www"), { recursive: true, force: true })
  mkdirSync(join(root, "www"))
  // Azure's library requires an account and a container in an address.
  mkdirSync(join(root, "www/account"))
  symlinkSync("..", join(root, "www/account/container"))
  const block = Buffer.alloc(Math.min(bytes, 1024 ** 2))
  return Array.from({ length: count }, (_, n) => {
    const hash = createHash("sha256")
    const file = openSync(join(root, "www", String(n)), "w")
    for (let left = bytes; left > 0; left -= block.length) {
      if (!isSparse) randomFillSync(block)
      // What looks like JSON or gzip would get another name.
      block.write("MZ")
      hash.update(block)
      // What follows the mark in each block of a sparse file is a hole.
      if (isSparse) writeSync(file, block, 0, 2, bytes - left)
      else writeSync(file, block)
    }
    ftruncateSync(file, bytes)
    closeSync(file)
    return hash.digest("hex")
  })
}

/** Its file for the servers has the key as well, before the certificate. */
const makeCertificate = async () => {
  const Certificate = await import("@live-response/node/testing/Certificate")
  const scope = Scope.makeUnsafe()
  process.on("exit", () => Effect.runSync(Scope.close(scope, Exit.void)))
  const { path, write } = Effect.runSync(Scope.provide(Certificate.selfSigned, scope))
  return { cert: path, key: write() }
}

const tls = values.tls ? await makeCertificate() : undefined

const link = { latency: Number(values.latency), rate: values.rate === undefined ? Infinity : Number(values.rate) * 1e6 }

const startServers = () =>
  new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      [
        join(here, "bytes/server.mjs"),
        root,
        String(link.latency),
        String(link.rate),
        ...(tls === undefined ? [] : [tls.cert, tls.key]),
      ],
      { stdio: ["pipe", "pipe", "inherit"] },
    )
    child.stdout.once("data", (line) => {
      const { api, files, server } = JSON.parse(line.toString())
      const scheme = tls === undefined ? "http" : "https"
      const base = (port) => `${scheme}://127.0.0.1:${port}`
      resolve({ servers: { server, files: base(files), api: base(api) }, stop: () => child.stdin.end() })
    })
  })

const concurrency = values.concurrency

const list = (name, lines) => {
  const path = join(root, name)
  writeFileSync(path, lines.join("\n"))
  return path
}

const numbers = ({ count }) => Array.from({ length: count }, (_, n) => n)

const script =
  (name, server = "files") =>
  (work, servers, out) => [
    process.execPath,
    join(here, "bytes", name),
    servers[server],
    out,
    String(work.count),
    concurrency,
  ]

const needs = (program) => (isAvailable(program) ? undefined : `${program} is not installed`)

const peers = {
  ours: {
    name: "live-response",
    command: (work, { api }, out) => [
      "env",
      `LIVE_RESPONSE_ENDPOINT=${api}`,
      "LIVE_RESPONSE_TOKEN=token",
      "LIVE_RESPONSE_WINDOWS=1000000/1 minute",
      `XDG_STATE_HOME=${join(out, "state")}`,
      process.execPath,
      bin,
      "download",
      "--any-storage-host",
      "-j",
      concurrency,
      "--out",
      join(out, "results"),
      "--max-bytes",
      "30 GB",
      "--min-free",
      "0 B",
      "--from",
      list(
        "targets",
        numbers(work).map((n) => `${nameOf(n)}:0`),
      ),
    ],
    path: (n) => `results/${nameOf(n)}/0.bin`,
  },
  plain: {
    name: "plain Node, same work",
    command: script("plain.mjs", "api"),
    path: (n) => `${nameOf(n)}/0.bin`,
  },
  undici: { name: "undici pipeline", command: script("undici.mjs"), path: String },
  sink: { name: "Effect FileSystem.sink", command: script("effectSink.mjs"), path: String },
  curl: {
    name: "curl -Z",
    missing: needs("curl"),
    command: (work, { files }, out) => {
      const lines = numbers(work).flatMap((n) => [`url = "${files}/${n}"`, `output = "${out}/${n}"`])
      const trust = tls === undefined ? [] : ["--cacert", tls.cert]
      return ["curl", "-s", "-Z", "--parallel-max", concurrency, ...trust, "-K", list("curl", lines)]
    },
    path: String,
  },
  aria2c: {
    name: "aria2c",
    missing: needs("aria2c"),
    command: (work, { files }, out) => {
      const lines = numbers(work).flatMap((n) => [`${files}/${n}`, ` out=${n}`])
      const trust = tls === undefined ? [] : [`--ca-certificate=${tls.cert}`]
      const quiet = ["-q", "--no-conf", "--file-allocation=none", "--auto-file-renaming=false"]
      return ["aria2c", ...quiet, "-j", concurrency, "-d", out, ...trust, "-i", list("aria2c", lines)]
    },
    path: String,
  },
  azure: {
    name: "@azure/storage-blob",
    missing: (() => {
      try {
        createRequire(import.meta.url).resolve("@azure/storage-blob")
        return undefined
      } catch {
        return "it is not installed: npm install --prefix /tmp/peers @azure/storage-blob, and set NODE_PATH=/tmp/peers/node_modules"
      }
    })(),
    command: script("azure.mjs"),
    path: String,
  },
}

/** A program with core alone. `flags` let a runtime do what Node does. */
const runtime = (name, binary, flags) => ({
  name,
  missing: binary === undefined ? `${name} is not installed` : undefined,
  command: (work, { api }, out) => [
    binary,
    ...flags,
    join(here, "bytes/core.ts"),
    api,
    out,
    String(work.count),
    concurrency,
  ],
  path: (n) => `${nameOf(n)}/0.bin`,
})

const runtimes = {
  node: runtime(`Node ${process.versions.node}`, process.execPath, []),
  deno: runtime("Deno", binaryOf("deno"), ["run", "-A", "--no-remote", "--no-lock", "--node-modules-dir=manual"]),
  bun: runtime("Bun", binaryOf("bun"), ["run", "--no-install"]),
}

const all = { ...peers, ...runtimes }

/** Runs a command to its end under GNU time. */
const measure = (command) => {
  const [file, log] = [join(root, "time"), join(root, "log")]
  const fd = openSync(log, "w")
  const env = tls === undefined ? process.env : { ...process.env, NODE_EXTRA_CA_CERTS: tls.cert }
  const { status } = spawnSync("/usr/bin/time", ["-o", file, "-f", "%U %S %M %e", ...command], {
    stdio: ["ignore", fd, fd],
    env,
  })
  closeSync(fd)
  if (status !== 0) throw new Error(`${command.join(" ").slice(0, 200)}: exit ${status}\n${readFileSync(log, "utf8")}`)
  const [user = 0, system = 0, rss = 0, wall = 0] = readFileSync(file, "utf8").trim().split(" ").map(Number)
  return { cpu: user + system, rss: rss * 1024, wall }
}

const check = async (peer, hashes, out) => {
  for (const [n, expected] of hashes.entries()) {
    const hash = createHash("sha256")
    await pipeline(createReadStream(join(out, peer.path(n)), { highWaterMark: 1024 ** 2 }), hash)
    if (hash.digest("hex") !== expected) throw new Error(`${peer.name}: file ${n} is not what was served`)
  }
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

const named = values.peers?.split(",") ?? (values.gate || values.reference ? ["ours", "undici"] : Object.keys(peers))
const chosen = named.flatMap((key) => {
  const peer = all[key]
  if (peer === undefined) throw new Error(`there is no peer ${key}; there are ${Object.keys(all).join(", ")}`)
  if (peer.missing !== undefined) console.error(`${peer.name} does not take part: ${peer.missing}`)
  return peer.missing === undefined ? [{ ...peer, key }] : []
})

const results = {}
const rows = []
let server = ""

for (const key of values.work.split(",")) {
  const work = works[key]
  if (work === undefined) throw new Error(`there is no work ${key}; there are ${Object.keys(works).join(", ")}`)
  const hashes = writeFiles(work)
  const { servers, stop } = await startServers()
  server = servers.server
  const runs = new Map(chosen.map(({ key }) => [key, new Array()]))
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const peer of chosen) {
      const out = outOf(work)
      rmSync(out, { recursive: true, force: true })
      mkdirSync(out)
      runs.get(peer.key)?.push(measure(peer.command(work, servers, out)))
      await check(peer, hashes, out)
    }
  }
  stop()
  // Pairs of one round, so that what else the machine did meanwhile counts for both.
  const base = runs.get(values.base)
  const curl = runs.get("curl")
  for (const { key: peerKey, name } of chosen) {
    const own = runs.get(peerKey) ?? []
    const [cpu, rss, wall] = [
      median(own.map(({ cpu }) => cpu)),
      median(own.map(({ rss }) => rss)),
      median(own.map(({ wall }) => wall)),
    ]
    const ratio = base && median(own.map(({ cpu }, round) => cpu / (base[round]?.cpu ?? cpu)))
    const speed = curl && median(own.map(({ wall }, round) => (curl[round]?.wall ?? wall) / wall))
    results[key] = { ...results[key], [peerKey]: { cpu, rss, wall, ratio, speed } }
    rows.push([
      work.name,
      name,
      figure(cpu, 2),
      ratio === undefined ? "" : figure(ratio, 2),
      figure((cpu * 1000) / work.count, 2),
      figure(rss / 1024 ** 2),
      figure(wall, 2),
      speed === undefined ? "" : figure(speed, 2),
    ])
  }
}

const head = [
  "work",
  "program",
  "CPU, s",
  `over ${values.base}`,
  "CPU, ms a file",
  "peak memory, MiB",
  "wall, s",
  "speed over curl",
]
const shaped = [
  ...(link.latency === 0 ? [] : [`a round trip of ${link.latency} ms`]),
  ...(link.rate === Infinity ? [] : [`${values.rate} Mbit/s`]),
]
const conditions = [
  `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores, Node ${process.versions.node}`,
  `files served by ${server}${tls === undefined ? "" : " over TLS"}`,
  ...(shaped.length === 0 ? [] : [`through a link of ${shaped.join(" and ")}`]),
  `${concurrency} at once`,
  `medians of ${values.rounds}`,
].join(", ")
/** The table's name on the page. */
const page = [
  "bytes",
  ...(tls === undefined ? [] : ["tls"]),
  ...(shaped.length > 0 ? ["link"] : []),
  ...(values.base in runtimes ? ["runtimes"] : []),
].join(":")
const report = `${conditions}:\n\n${table(head, rows)}`
console.log(report)
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, undefined, 2)}\n`)
if (values.write) writeToPage(page, report)
if (values.reference) writeReference(results)
if (values.gate) {
  const found = worse(results)
  for (const line of found) console.error(line)
  process.exitCode = found.length === 0 ? 0 : 1
}
