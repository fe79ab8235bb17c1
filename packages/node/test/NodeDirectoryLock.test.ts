import { spawn } from "node:child_process"
import { readdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as NodeDirectoryLock from "@live-response/node/NodeDirectoryLock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { tempDirectory } from "./support/samples.ts"

const lock = (directory: string) => NodeDirectoryLock.layer({ directory }).pipe(Layer.provide(NodeServices.layer))

const hold = (directory: string) => Layer.build(lock(directory))

const holder = fileURLToPath(new URL("support/holdLock.ts", import.meta.url))

/** Another process that has the lock, until it is killed. */
const holdElsewhere = (directory: string) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly pid: number; readonly kill: Effect.Effect<void> }>((resume) => {
      const child = spawn(process.execPath, [holder, directory], { stdio: ["ignore", "pipe", "inherit"] })
      const kill = Effect.callback<void>((resume) => {
        if (child.signalCode !== null) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGKILL")
      })
      child.stdout.once("data", () => resume(Effect.succeed({ pid: child.pid ?? 0, kill })))
    }),
    ({ kill }) => kill,
  )

describe("NodeDirectoryLock", () => {
  it.live("refuses a second process, and names the first one", () =>
    Effect.gen(function* () {
      const directory = join(yield* tempDirectory, "results")
      const { pid } = yield* holdElsewhere(directory)
      const error = yield* Effect.flip(Effect.scoped(hold(directory)))
      assert.strictEqual(error.problem, "InUse")
      assert.include(error.message, `${directory}: in use by process ${pid} on `)
    }),
  )

  it.live("is free after its process has crashed", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const { kill } = yield* holdElsewhere(directory)
      yield* Effect.flip(Effect.scoped(hold(directory)))
      yield* kill
      yield* hold(directory)
    }),
  )

  it.effect("is released with its scope, and private to its owner", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      yield* Effect.scoped(hold(directory))
      assert.deepStrictEqual(readdirSync(directory), [])
      yield* Effect.scoped(hold(directory))
      yield* hold(directory)
      const error = yield* Effect.flip(Effect.scoped(hold(directory)))
      assert.include(error.message, `in use by process ${process.pid} on `)
      assert.strictEqual(statSync(join(directory, ".lock")).mode & 0o777, 0o600)
      yield* hold(yield* tempDirectory)
    }),
  )

  it.effect.each([
    "CREATE TRIGGER t BEFORE INSERT ON owner BEGIN SELECT 1; END",
    "DROP TABLE owner; CREATE VIEW owner AS SELECT 1 AS pid, 'somebody' AS host",
  ])("runs nothing in a prepared file: %s", (sql) =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const path = join(directory, ".lock")
      writeFileSync(path, "", { mode: 0o600 })
      const database = new DatabaseSync(path)
      database.exec(`CREATE TABLE owner (pid INTEGER, host TEXT); ${sql}`)
      database.close()
      const error = yield* Effect.flip(Effect.scoped(hold(directory)))
      assert.match(error.message, /\.lock: it has triggers or views, which no file of live-response has; remove it/)
    }),
  )

  it.effect("names the problem of a directory that can't be locked", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      writeFileSync(join(directory, ".lock"), "this is not a lock. ".repeat(100))
      const broken = yield* Effect.flip(Effect.scoped(hold(directory)))
      assert.match(broken.message, /\.lock: file is not a database/)
      const nowhere = yield* Effect.flip(Effect.scoped(hold("/proc/nowhere")))
      assert.include(nowhere.message, "/proc/nowhere")
    }),
  )
})
