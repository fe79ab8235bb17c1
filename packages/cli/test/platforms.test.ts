/**
 * What the command line does on systems that are not this one.
 */
import { EventEmitter } from "node:events"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Platform from "@live-response/core/Platform"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as EarlySignals from "../src/EarlySignals.ts"
import * as OutputFile from "../src/input/OutputFile.ts"
import * as Interrupt from "../src/Interrupt.ts"

describe("a report in place of a file of live-response", () => {
  const open = (platform: Platform.Service, name: string) =>
    Effect.gen(function* () {
      const directory = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      return yield* OutputFile.open(join(directory, name), { noun: "a report", start: "<!doctype html>" })
    }).pipe(Effect.provideService(Platform.Platform, platform), Effect.provide(NodeServices.layer))

  it.live.each([Platform.macos(), Platform.windows])("is refused where case is not distinguished", (platform) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(open(platform, "Manifest.JSONL"))
      assert.include(error.message, "live-response itself has a file of this name")
    }),
  )

  it.live("is another file where case is distinguished", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* open(Platform.posix(), "Manifest.JSONL")).name, "Manifest.JSONL")
    }),
  )
})

describe("signals", () => {
  /** What a process does when these signals arrive. */
  const after = (platform: Platform.Service, ...signals: ReadonlyArray<string>) => {
    const events = new EventEmitter()
    const done: Array<string> = []
    // Effect's own listener, which interrupts the command.
    events.once("SIGINT", () => done.push("interrupted"))
    const exit = (code: number) => done.push(`exit ${code}`)
    Interrupt.listen(platform, Object.assign(events, { exit }))
    for (const signal of signals) events.emit(signal)
    return done
  }

  it("that arrive while the program is loaded stop it once it is, and none is lost", () => {
    for (const [signals, expected] of [
      [["SIGTERM"], ["SIGTERM"]],
      [
        ["SIGINT", "SIGTERM", "SIGINT"],
        ["SIGINT", "SIGTERM", "SIGINT"],
      ],
      [[], []],
    ] as const) {
      const events = new EventEmitter()
      const release = EarlySignals.hold(events)
      for (const signal of signals) events.emit(signal, signal)
      const seen: Array<string> = []
      for (const signal of ["SIGINT", "SIGTERM"]) events.on(signal, (name) => seen.push(name))
      release()
      assert.deepStrictEqual(seen, [...expected])
      events.emit("SIGTERM", "SIGTERM")
      assert.deepStrictEqual(seen, [...expected, "SIGTERM"])
    }
  })

  it("Ctrl-Break and the end of the console stop the work in order on Windows", () => {
    for (const signal of ["SIGBREAK", "SIGHUP", "SIGINT"]) {
      assert.deepStrictEqual(after(Platform.windows, signal), ["interrupted"])
    }
    assert.deepStrictEqual(after(Platform.windows, "SIGBREAK", "SIGINT"), ["interrupted", "exit 130"])
  })

  it("SIGHUP is left to nohup elsewhere", () => {
    for (const platform of [Platform.posix(), Platform.macos()]) {
      assert.deepStrictEqual(after(platform, "SIGHUP"), [])
      assert.deepStrictEqual(after(platform, "SIGINT", "SIGINT"), ["interrupted", "exit 130"])
    }
  })
})
