/**
 * What an attacker may prepare in a directory of results or state, for each file that is written there.
 */
import { execFileSync } from "node:child_process"
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { dirname, join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as FileName from "@live-response/core/FileName"
import * as Platform from "@live-response/core/Platform"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import type { StoreError } from "@live-response/core/StoreError"
import * as NodePlatform from "@live-response/node/NodePlatform"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Scope from "effect/Scope"
import { refAt, tempDirectory, warningsOf } from "./support/samples.ts"

const platform = Layer.merge(NodeServices.layer, NodePlatform.layer)

const isRoot = process.getuid?.() === 0

const names = FileName.all(refAt(0), 4711)

/** Our directory, and beside it one with a file that must not change. */
const world = Effect.map(tempDirectory, (root) => {
  const directory = join(root, "results")
  const outside = join(root, "outside")
  mkdirSync(directory, { mode: 0o700 })
  mkdirSync(outside, { mode: 0o700 })
  const victim = join(outside, "victim")
  writeFileSync(victim, "victim", { mode: 0o600 })
  return { root, directory, outside, victim }
})

type Directory = PrivateDirectory.PrivateDirectory

/** All operations on a file. */
const operations: Record<
  string,
  (directory: Directory, name: string) => Effect.Effect<unknown, StoreError, Scope.Scope>
> = {
  info: (directory, name) => directory.info(name),
  read: (directory, name) => Stream.runCollect(directory.read(name)),
  readString: (directory, name) => directory.readString(name, 1000),
  append: (directory, name) => directory.append(name),
  create: (directory, name) => directory.create(name),
  appendBelow: (directory, name) => directory.appendBelow(name),
  createBelow: (directory, name) => directory.createBelow(name),
  prepare: (directory, name) => directory.prepare(name),
  renameFrom: (directory, name) => directory.rename(name, "other"),
  renameTo: (directory, name) => Effect.andThen(directory.append("other"), directory.rename("other", name)),
  renameNew: (directory, name) => directory.renameNew(name, "other"),
  remove: (directory, name) => directory.remove(name),
}

/** What an attacker puts at the path of a file. */
const traps: Record<string, (path: string, there: Effect.Success<typeof world>) => void> = {
  "a symbolic link": (path, { victim }) => symlinkSync(victim, path),
  "a symbolic link to nothing": (path, { outside }) => symlinkSync(join(outside, "new"), path),
  "a hard link": (path, { victim }) => linkSync(victim, path),
  "a named pipe": (path) => execFileSync("mkfifo", ["-m", "600", path]),
  "a file that others may write": (path) => {
    writeFileSync(path, "")
    chmodSync(path, 0o666)
  },
}

const failureOf = (directory: string, use: (directory: Directory) => Effect.Effect<unknown, StoreError, Scope.Scope>) =>
  PrivateDirectory.open(directory).pipe(
    Effect.flatMap(use),
    Effect.asVoid,
    Effect.scoped,
    Effect.flip,
    Effect.provide(platform),
  )

const isUntrusted = (error: StoreError, path: string, says: string | RegExp) => {
  assert.strictEqual(error.problem, "Untrusted", error.message)
  assert.strictEqual(error.path, path)
  if (typeof says === "string") assert.include(error.message, says)
  else assert.match(error.message, says)
  assert.notInclude(error.message, "\n")
}

describe("PrivateDirectory: files", () => {
  it.live.each(Object.keys(traps).flatMap((trap) => Object.keys(operations).map((operation) => ({ trap, operation }))))(
    "$operation refuses $trap at the path of any file",
    ({ operation, trap }) =>
      Effect.gen(function* () {
        const there = yield* world
        for (const name of names) {
          const path = join(there.directory, name)
          mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
          traps[trap]?.(path, there)
          const error = yield* failureOf(
            there.directory,
            (directory) => operations[operation]?.(directory, name) ?? Effect.void,
          )
          isUntrusted(error, path, "choose another directory")
          assert.strictEqual(readFileSync(there.victim, "utf8"), "victim", name)
          assert.deepStrictEqual(readdirSync(there.outside), ["victim"], name)
          assert.isTrue(lstatSync(path).isSymbolicLink() === trap.startsWith("a symbolic"), name)
        }
      }).pipe(Effect.scoped),
  )

  it.live.each(Object.keys(operations).map((operation) => ({ operation })))(
    "$operation refuses a link at the path of a machine action's directory",
    ({ operation }) =>
      Effect.gen(function* () {
        for (const name of names.filter((name) => name.includes("/"))) {
          const { directory, outside, victim } = yield* world
          const below = join(directory, dirname(name))
          symlinkSync(outside, below)
          isUntrusted(
            yield* failureOf(directory, (directory) => operations[operation]?.(directory, name) ?? Effect.void),
            below,
            "symbolic link",
          )
          assert.strictEqual(readFileSync(victim, "utf8"), "victim")
          assert.deepStrictEqual(readdirSync(outside), ["victim"])
        }
      }).pipe(Effect.scoped),
  )

  it.live.each(Object.keys(traps).map((trap) => ({ trap })))(
    "a renamed file replaces and follows no $trap that has its new name",
    ({ trap }) =>
      Effect.gen(function* () {
        const there = yield* world
        const path = join(there.directory, "a", "0.bin")
        mkdirSync(dirname(path), { mode: 0o700 })
        traps[trap]?.(path, there)
        const before = lstatSync(path)
        const directory = yield* PrivateDirectory.open(there.directory, { allowsLinks: true })
        yield* directory.append("a/0.part")
        assert.isFalse(yield* directory.renameNew("a/0.part", "a/0.bin"))
        assert.deepStrictEqual(readdirSync(dirname(path)), ["0.bin"])
        assert.deepStrictEqual([lstatSync(path).ino, lstatSync(path).mode], [before.ino, before.mode])
        assert.strictEqual(readFileSync(there.victim, "utf8"), "victim")
      }).pipe(Effect.scoped, Effect.provide(platform)),
  )

  it.live("are neither renamed nor created once their directory has become a link", () =>
    Effect.gen(function* () {
      const there = yield* world
      const below = join(there.directory, "a")
      const directory = yield* PrivateDirectory.open(there.directory)
      assert.isTrue((yield* directory.createBelow("a/0.part")).isFirst)
      assert.isFalse((yield* directory.createBelow("a/1.part")).isFirst)
      renameSync(below, join(there.outside, "a"))
      symlinkSync(join(there.outside, "a"), below)
      for (const change of [
        directory.renameNew("a/0.part", "a/0.bin"),
        directory.rename("a/0.part", "a/0.bin"),
        directory.createBelow("a/2.part"),
      ]) {
        isUntrusted(yield* Effect.flip(Effect.asVoid(change)), below, "symbolic link")
      }
      assert.deepStrictEqual(readdirSync(join(there.outside, "a")).toSorted(), ["0.part", "1.part"])
    }).pipe(Effect.scoped, Effect.provide(platform)),
  )

  it.live.each([
    "../outside/victim",
    "..",
    ".",
    "",
    "/etc/passwd",
    "a/../../outside/victim",
    "a/b/c",
    "a//b",
    "..\\outside\\victim",
    "C:victim",
    "a\0b",
  ])("refuses %j, which is not the name of a file", (name) =>
    Effect.gen(function* () {
      const { directory, outside } = yield* world
      for (const operation of Object.values(operations)) {
        const error = yield* failureOf(directory, (directory) => operation(directory, name))
        assert.strictEqual(error.problem, "Untrusted", error.message)
      }
      assert.deepStrictEqual(readdirSync(outside), ["victim"])
    }),
  )

  it.live("are created for their owner only, and one that other users can read becomes private, with a warning", () =>
    Effect.gen(function* () {
      const { directory } = yield* world
      const before = process.umask(0o000)
      yield* Effect.addFinalizer(() => Effect.sync(() => process.umask(before)))
      const modeOf = (name: string) => (statSync(join(directory, name)).mode & 0o777).toString(8)
      writeFileSync(join(directory, "manifest.jsonl"), "", { mode: 0o644 })
      const opened = Effect.gen(function* () {
        const files = yield* PrivateDirectory.open(directory)
        yield* files.append("manifest.jsonl")
        yield* files.append("sessions.jsonl")
        yield* files.create("results.csv.part")
        yield* files.prepare(".lock")
      }).pipe(Effect.scoped, Effect.provide(platform))
      assert.deepStrictEqual(yield* warningsOf(opened), [
        `other users could read ${join(directory, "manifest.jsonl")}; now only you can (mode 600)`,
      ])
      assert.deepStrictEqual(yield* warningsOf(opened), [])
      for (const name of readdirSync(directory)) assert.strictEqual(modeOf(name), "600", name)
    }),
  )

  it.live("are refused if they belong to another user", () =>
    Effect.gen(function* () {
      if (!isRoot) return yield* Effect.logWarning("only root can give a file to another user: nothing was tested")
      const { directory } = yield* world
      const path = join(directory, "manifest.jsonl")
      writeFileSync(path, "", { mode: 0o600 })
      chownSync(path, 1234, 1234)
      isUntrusted(
        yield* failureOf(directory, (files) => files.append("manifest.jsonl")),
        path,
        "another user (uid 1234)",
      )
    }),
  )
})

describe("PrivateDirectory: the directory", () => {
  const opened = (path: string) => PrivateDirectory.open(path).pipe(Effect.provide(platform))
  const nothing = () => Effect.void

  it.live.each([0o770, 0o707, 0o777, 0o1777])("is refused if other users may write to it: %o", (mode) =>
    Effect.gen(function* () {
      const { directory } = yield* world
      chmodSync(directory, mode)
      isUntrusted(yield* failureOf(directory, nothing), directory, `chmod 700 ${directory}`)
      assert.deepStrictEqual(readdirSync(directory), [])
    }),
  )

  it.live.each([0o777, 0o707])("is refused if other users may write to one above it: %o", (mode) =>
    Effect.gen(function* () {
      const { directory, root } = yield* world
      chmodSync(root, mode)
      isUntrusted(yield* failureOf(directory, nothing), root, `chmod go-w ${root}`)
      isUntrusted(yield* failureOf(join(root, "new", "case"), nothing), root, "choose another directory")
      assert.isFalse(existsSync(join(root, "new")))
      // As in /tmp, other users can't replace files that are not theirs.
      chmodSync(root, 0o1777)
      assert.strictEqual((yield* opened(directory)).realPath, directory)
    }),
  )

  it.live("below one that a group may write to is refused, whatever the number of the group", () =>
    Effect.gen(function* () {
      if (!isRoot) return yield* Effect.logWarning("only root can give a directory to a group: nothing was tested")
      const { directory, root } = yield* world
      chmodSync(root, 0o770)
      chownSync(root, 0, 1234)
      isUntrusted(yield* failureOf(directory, nothing), root, "chmod go-w")
      // A group of the owner's number may have other members.
      const asUser = (gid: number, mode = 0o770) =>
        Effect.gen(function* () {
          chownSync(root, 1234, gid)
          chmodSync(root, mode)
          chownSync(directory, 1234, 1234)
          return yield* PrivateDirectory.open(directory).pipe(
            Effect.provide(NodeServices.layer),
            Effect.provideService(Platform.Platform, Platform.posix(1234)),
          )
        })
      for (const gid of [1234, 100]) isUntrusted(yield* Effect.flip(asUser(gid)), root, `chmod go-w ${root}`)
      assert.strictEqual((yield* asUser(1234, 0o1770)).realPath, directory)
      assert.strictEqual((yield* asUser(1234, 0o750)).realPath, directory)
    }),
  )

  it.live.each(Object.keys(operations).map((operation) => ({ operation })))(
    "is no longer used once it was replaced: $operation",
    ({ operation }) =>
      Effect.gen(function* () {
        const { directory } = yield* world
        mkdirSync(join(directory, dirname(names.at(-1) ?? "")))
        const files = yield* opened(directory)
        renameSync(directory, `${directory}.moved`)
        for (const place of ["nothing", "another"]) {
          if (place === "another") mkdirSync(directory, { mode: 0o700 })
          for (const name of ["manifest.jsonl", names.at(-1) ?? ""]) {
            const error = yield* Effect.flip(Effect.asVoid(operations[operation]?.(files, name) ?? Effect.void))
            isUntrusted(error, directory, "it was removed or replaced")
          }
        }
        assert.deepStrictEqual(readdirSync(directory), [])
      }).pipe(Effect.scoped),
  )

  it.live("of another user, or below one, is refused", () =>
    Effect.gen(function* () {
      if (!isRoot) return yield* Effect.logWarning("only root can give a directory to another user: nothing was tested")
      const { directory, root } = yield* world
      chownSync(directory, 1234, 1234)
      isUntrusted(yield* failureOf(directory, nothing), directory, "another user (uid 1234)")
      isUntrusted(yield* failureOf(join(directory, "case"), nothing), directory, "another user (uid 1234)")
      chownSync(directory, 0, 0)
      chownSync(root, 1234, 1234)
      isUntrusted(yield* failureOf(directory, nothing), root, "another user (uid 1234)")
    }),
  )

  it.live("may be opened through links of this user, and not of another", () =>
    Effect.gen(function* () {
      const { directory, root } = yield* world
      const link = join(root, "link")
      symlinkSync("results", link)
      const files = yield* opened(link)
      assert.deepStrictEqual([files.path, files.realPath], [link, directory])
      assert.strictEqual((yield* opened(join(link, "case"))).realPath, join(directory, "case"))
      if (!isRoot) return yield* Effect.logWarning("only root can give a link to another user: nothing more was tested")
      lchownSync(link, 1234, 1234)
      isUntrusted(yield* failureOf(link, nothing), link, "symbolic link of another user (uid 1234)")
    }),
  )

  it.live("is refused if its path is a loop of links", () =>
    Effect.gen(function* () {
      const { root } = yield* world
      symlinkSync("b", join(root, "a"))
      symlinkSync("a", join(root, "b"))
      const error = yield* failureOf(join(root, "a", "case"), nothing)
      assert.include(error.message, "too many symbolic links")
    }),
  )

  it.live("is checked for links, but not for owners and modes, on systems without them such as Windows", () =>
    Effect.gen(function* () {
      const { directory, root, victim } = yield* world
      chmodSync(root, 0o777)
      chmodSync(directory, 0o777)
      symlinkSync(victim, join(directory, "manifest.jsonl"))
      linkSync(victim, join(directory, ".lock"))
      const files = yield* PrivateDirectory.open(directory).pipe(Effect.provide(NodeServices.layer))
      yield* files.append("sessions.jsonl")
      for (const [name, says] of [
        ["manifest.jsonl", "symbolic link"],
        [".lock", "hard link"],
      ] as const) {
        isUntrusted(yield* Effect.flip(Effect.asVoid(files.append(name))), join(directory, name), says)
      }
    }).pipe(Effect.scoped),
  )

  it.live("is not created by find", () =>
    Effect.gen(function* () {
      const { root } = yield* world
      const found = yield* PrivateDirectory.find(join(root, "a", "b")).pipe(Effect.provide(platform))
      assert.isTrue(Option.isNone(found))
      assert.isFalse(existsSync(join(root, "a")))
    }),
  )
})
