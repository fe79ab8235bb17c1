/** Every fault of the tables in `support/`, and the page `docs/faults.md`, which has their outcomes. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { expectedOf, measure, page, type Row } from "./support/FaultMatrix.ts"
import { announcements, ranges } from "./support/FaultsOfBodies.ts"
import { api, destinations, storage } from "./support/FaultsOfServices.ts"
import { breaks, links } from "./support/FaultsOfTransfers.ts"

const faults = [links, breaks, ranges, announcements, storage, api, destinations].flat()
const rows = new Map<string, Row>()

describe("a fault", { concurrent: true }, () => {
  it.live.each(faults)("$name: $how", (fault) =>
    Effect.gen(function* () {
      const { measured, needed } = yield* measure(fault)
      assert.deepStrictEqual(measured, expectedOf(fault))
      rows.set(fault.name, { ...measured, fault, needed })
    }),
  )
})

describe("the page of faults", () => {
  const path = fileURLToPath(new URL("../../../docs/faults.md", import.meta.url))

  it("has one row for each fault", () => {
    assert.isAtLeast(faults.length, 45)
    assert.strictEqual(new Set(faults.map(({ name }) => name)).size, faults.length)
  })

  it("has the measured outcomes", () => {
    const measured = faults.flatMap(({ name }) => rows.get(name) ?? [])
    const text = page(measured)
    if (process.env.FAULTS_UPDATE === "1") {
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, text)
    }
    assert.strictEqual(measured.length, faults.length, "a fault failed, or was not run")
    assert.strictEqual(readFileSync(path, "utf8"), text, "run it with FAULTS_UPDATE=1")
  })
})
