/** Sets a broken database of the quota aside, so that a new one can be created. */
import * as FileName from "@live-response/core/FileName"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import type { QuotaStoreError } from "@live-response/core/QuotaStoreError"
import type { StoreError } from "@live-response/core/StoreError"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as NodeDirectoryLock from "../NodeDirectoryLock.ts"
import type { Broken } from "./quotaDatabase.ts"

/** Renames a broken database, one program at a time, unless another program has done so already. */
export const setAside = Effect.fnUntraced(function* <A, R>(
  directory: string,
  open: Effect.Effect<A, Broken | QuotaStoreError | StoreError, R>,
) {
  yield* Effect.retry(Layer.build(NodeDirectoryLock.layer({ directory })), {
    while: ({ problem }) => problem === "InUse",
    schedule: Schedule.spaced("50 millis"),
    times: 200,
  })
  const broken = yield* Effect.scoped(open).pipe(
    Effect.as(undefined),
    Effect.catchTag("Broken", (broken) => Effect.succeed(broken)),
  )
  if (broken === undefined) return
  const { quota } = FileName.single
  const files = yield* PrivateDirectory.open(directory)
  const aside = FileName.brokenOf(quota, DateTime.formatIso(yield* DateTime.now).replaceAll(":", ""))
  yield* Effect.forEach(FileName.ofDatabase(quota).slice(1), files.remove, { discard: true })
  yield* files.rename(quota, aside)
  yield* Effect.logWarning(
    `the quota's log was broken (${broken.description}) and is now ${files.pathOf(aside)}; what was used before is not known`,
  )
}, Effect.scoped)
