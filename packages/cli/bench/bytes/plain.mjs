/**
 * A peer of `bench:bytes`: what this program does for each file, as short as Node allows, without retries, checks of what is
 * on the disk, limits or events. It shows how much of the cost is the work, and how much the way in which it is done.
 *
 * For each file: one row in an SQLite log before the call for its link and one change after it, SHA-256, a part that is
 * flushed and renamed, its directory flushed, and a line of a manifest that is flushed. What waits for the flush of the same
 * file shares it. Takes the API, the directory, how many files, and how many at once.
 */
import { createHash } from "node:crypto"
import { closeSync, fsync, mkdirSync, openSync, renameSync, writeSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { promisify } from "node:util"
import Undici from "@effect/platform-node/Undici"

const [api = "", directory = "", count = "1", concurrency = "8"] = process.argv.slice(2)

const sync = promisify(fsync)

/** Those who ask while a flush runs share the next one. */
const grouped = (run) => {
  let [running, next] = [Promise.resolve(), undefined]
  return () => {
    next ??= running.then(() => {
      next = undefined
      running = run()
      return running
    })
    return next
  }
}

const syncDirectory = async (path) => {
  const fd = openSync(path, "r")
  await sync(fd)
  closeSync(fd)
}

const database = new DatabaseSync(`${directory}/quota.sqlite`)
database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
database.exec("CREATE TABLE calls (id INTEGER PRIMARY KEY, log TEXT NOT NULL, at REAL NOT NULL, holder TEXT) STRICT")
database.exec("CREATE INDEX calls_answered ON calls (log, at) WHERE holder IS NULL")
database.exec("CREATE INDEX calls_in_flight ON calls (log) WHERE holder IS NOT NULL")
const start = database.prepare("INSERT INTO calls (log, at, holder) VALUES ('links', ?, 'plain')")
const answer = database.prepare("UPDATE calls SET at = ?, holder = NULL WHERE id = ?")

const manifest = openSync(`${directory}/manifest.jsonl`, "a")
let lines = []
const flushManifest = grouped(async () => {
  const text = lines.join("")
  lines = []
  writeSync(manifest, text)
  await sync(manifest)
})
const flushTop = grouped(() => syncDirectory(directory))

const linkOf = async (id) => {
  const { lastInsertRowid } = start.run(Date.now())
  const { body } = await Undici.request(`${api}/api/machineactions/${id}/GetLiveResponseResultDownloadLink(index=0)`, {
    headers: { authorization: "Bearer token" },
  })
  const { value } = await body.json()
  answer.run(Date.now(), lastInsertRowid)
  return value
}

const save = async (id) => {
  const { body } = await Undici.request(await linkOf(id))
  const path = `${directory}/${id}`
  mkdirSync(path, { mode: 0o700 })
  await flushTop()
  const hash = createHash("sha256")
  const file = openSync(`${path}/0.part`, "ax", 0o600)
  let bytes = 0
  for await (const chunk of body) {
    hash.update(chunk)
    writeSync(file, chunk)
    bytes += chunk.length
  }
  await sync(file)
  closeSync(file)
  renameSync(`${path}/0.part`, `${path}/0.bin`)
  await syncDirectory(path)
  lines.push(
    `${JSON.stringify({ at: new Date(), machineActionId: id, index: 0, bytes, sha256: hash.digest("hex"), path: `${id}/0.bin` })}\n`,
  )
  await flushManifest()
}

let next = 0
const work = async () => {
  while (next < Number(count)) await save(`00000000-0000-4000-8000-${String(next++).padStart(12, "0")}`)
}
await Promise.all(Array.from({ length: Number(concurrency) }, work))
