/** A program that answers one call, starts another, and is killed while it writes a third one to the quota's log. */
import { DatabaseSync } from "node:sqlite"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as NodeQuotaStore from "@live-response/node/NodeQuotaStore"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { call, openLog, toWindows } from "./QuotaStoreSuite.ts"

const directory = process.argv[2] ?? ""
const { exec } = DatabaseSync.prototype

const main = Effect.gen(function* () {
  const log = yield* openLog(toWindows([10, 60_000]), { name: "stored" })
  yield* call(log)
  yield* log.acquire
  DatabaseSync.prototype.exec = function (sql) {
    if (sql === "COMMIT") process.kill(process.pid, "SIGKILL")
    exec.call(this, sql)
  }
  yield* log.acquire
})

await Effect.runPromise(
  Effect.provide(main, NodeQuotaStore.layer({ directory }).pipe(Layer.provide(NodeServices.layer))),
)
