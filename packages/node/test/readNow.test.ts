/**
 * `PrivateDirectory.readNow` reads what `read` reads, and nothing that `read` refuses.
 */
import { chmodSync, linkSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import * as NodeDirectFileSystem from "@live-response/node/NodeDirectFileSystem"
import * as NodePlatform from "@live-response/node/NodePlatform"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { refAt, tempDirectory } from "./support/samples.ts"

const platform = Layer.merge(NodeServices.layer, NodePlatform.layer)
const batch = Layer.provideMerge(NodeDirectFileSystem.layerBatch, platform)

const below = refAt(0).machineActionId
const name = `${below}/0.json`
const content = "0123456789"

/** A directory with one result. */
const world = Effect.map(tempDirectory, (root) => {
  const directory = join(root, "results")
  const file = join(directory, name)
  mkdirSync(join(directory, below), { recursive: true, mode: 0o700 })
  writeFileSync(file, content, { mode: 0o600 })
  return { root, directory, file }
})

type World = Effect.Success<typeof world>

const attacks: Record<string, (world: World) => void> = {
  "a symbolic link": ({ file, root }) => {
    renameSync(file, join(root, "moved"))
    symlinkSync(join(root, "moved"), file)
  },
  "a hard link": ({ file, root }) => linkSync(file, join(root, "second")),
  "a file that others may write to": ({ file }) => chmodSync(file, 0o622),
  "a subdirectory that is a link": ({ directory, root }) => {
    renameSync(join(directory, below), join(root, "moved"))
    symlinkSync(join(root, "moved"), join(directory, below))
  },
  "a subdirectory that others may write to": ({ directory }) => chmodSync(join(directory, below), 0o777),
  "a directory that was replaced": ({ directory, root }) => {
    renameSync(directory, join(root, "moved"))
    mkdirSync(join(directory, below), { recursive: true, mode: 0o700 })
    writeFileSync(join(directory, name), content, { mode: 0o600 })
  },
}

const readNow = (directory: PrivateDirectory.PrivateDirectory, name: string, most = 100) => {
  const bytes = directory.readNow(name, most)
  return bytes && new TextDecoder().decode(bytes)
}

describe("PrivateDirectory.readNow", () => {
  it.effect("reads short files where the program reads at once, and nothing elsewhere", () =>
    Effect.gen(function* () {
      const { directory } = yield* world
      const opened = yield* Effect.provide(PrivateDirectory.open(directory), batch)
      assert.strictEqual(readNow(opened, name), content)
      assert.strictEqual(readNow(opened, name, 3), "012")
      for (const other of ["missing", `${below}/1.json`, below, "../results/x", "", `${name}/x`]) {
        assert.isUndefined(readNow(opened, other), other)
      }
      writeFileSync(join(directory, "long"), Buffer.alloc(65_537), { mode: 0o600 })
      assert.isUndefined(opened.readNow("long", 70_000))
      const ordinary = yield* Effect.provide(PrivateDirectory.open(directory), platform)
      assert.isUndefined(readNow(ordinary, name))
    }),
  )

  // Without user ids, as on Windows, modes mean nothing.
  it.effect.each(process.platform === "win32" ? [] : Object.entries(attacks))("does not read %s", ([, attack]) =>
    Effect.gen(function* () {
      const made = yield* world
      const opened = yield* Effect.provide(PrivateDirectory.open(made.directory), batch)
      assert.strictEqual(readNow(opened, name), content)
      attack(made)
      assert.isUndefined(readNow(opened, name))
    }),
  )
})
