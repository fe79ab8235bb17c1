/** What systemd gets of a service that it has started. */
import { spawn, spawnSync } from "node:child_process"
import { chmodSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as StandardError from "../src/output/StandardError.ts"
import * as SystemdNotify from "../src/output/SystemdNotify.ts"
import * as Cli from "./support/Cli.ts"
import * as ServedSimulator from "./support/ServedSimulator.ts"

/** A `systemd-notify` that writes down how it was called. */
const recorder = Effect.gen(function* () {
  const box = yield* Cli.sandbox
  const script = [
    "#!/bin/sh",
    `printf '%s|' "$NOTIFY_SOCKET" "\${AZURE_CLIENT_SECRET-none}" "$@" >> ${box.path("calls")}`,
    `echo >> ${box.path("calls")}`,
  ]
  box.write("calls", "")
  chmodSync(box.path(box.write("bin/systemd-notify", `${script.join("\n")}\n`)), 0o755)
  const calls = () => box.read("calls").toString().trimEnd().split("\n")
  return { path: box.path("bin"), calls }
})

const withPath = (path: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = process.env.PATH
      process.env.PATH = path
      return before
    }),
    (before) => Effect.sync(() => (process.env.PATH = before)),
  )

const withSocket = Effect.provideService(
  ConfigProvider.ConfigProvider,
  ConfigProvider.fromEnvRecord({ NOTIFY_SOCKET: "/run/notify", AZURE_CLIENT_SECRET: "secret" }),
)

describe("a service", () => {
  it.effect("reports that it works once, its status when it has changed, and that it stops", () =>
    Effect.gen(function* () {
      const { calls, path } = yield* recorder
      yield* withPath(`${path}:/bin:/usr/bin`)
      let status = "nothing done"
      const service = yield* SystemdNotify.make(Effect.sync(() => status)).pipe(withSocket)
      yield* service.ready
      yield* service.ready
      yield* TestClock.adjust("10 seconds")
      status = "one result done"
      yield* TestClock.adjust("10 seconds")
      yield* Cli.until(
        () => calls().length === 2,
        () => `two calls: ${calls().join("\n")}`,
      ).pipe(TestClock.withLive)
      yield* service.stopping
      assert.deepStrictEqual(calls(), [
        "/run/notify|none|READY=1|STATUS=nothing done|",
        "/run/notify|none|STATUS=one result done|",
        "/run/notify|none|STOPPING=1|",
      ])
    }).pipe(Effect.scoped),
  )

  it.effect("works without systemd-notify, and reports that once", () =>
    Effect.gen(function* () {
      yield* withPath("/nonexistent")
      const lines: Array<string> = []
      yield* StandardError.through((line) => lines.push(line))
      const service = yield* SystemdNotify.make(Effect.succeed("status")).pipe(withSocket)
      yield* service.ready
      yield* service.stopping
      assert.deepStrictEqual(lines, [
        "live-response: systemd can't be informed, because systemd-notify failed: spawn systemd-notify ENOENT; install systemd's own, or start the service without Type=notify",
      ])
    }).pipe(Effect.scoped),
  )

  it.effect("that systemd did not start reports nothing", () =>
    Effect.gen(function* () {
      const { calls, path } = yield* recorder
      yield* withPath(`${path}:/bin:/usr/bin`)
      const service = yield* SystemdNotify.make(Effect.die("the status is not read")).pipe(
        Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord({})),
      )
      yield* service.ready
      yield* TestClock.adjust("1 minute")
      yield* service.stopping
      assert.deepStrictEqual(calls(), [""])
    }).pipe(Effect.scoped),
  )
})

/** A service manager: a datagram socket, what it receives one line a message, its newlines as spaces. */
const manager = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("listening", flush=True)
while True:
    data, ancillary, _, _ = s.recvmsg(65536, 1024)
    # systemd-notify waits until the descriptor that it sends is closed.
    for _, _, fds in ancillary:
        for i in range(0, len(fds), 4): os.close(int.from_bytes(fds[i:i+4], sys.byteorder))
    print(data.decode().replace("\\n", " "), flush=True)
`

const isThere = (program: string) => spawnSync("which", [program]).status === 0

describe("download --follow", () => {
  it.live.skipIf(!isThere("systemd-notify") || !isThere("python3"))(
    "as a service reports to systemd's socket: READY after the first search, STATUS, and STOPPING",
    () =>
      Effect.gen(function* () {
        const { env } = yield* ServedSimulator.serve()
        const box = yield* Cli.sandbox
        let received = ""
        const python = yield* Effect.acquireRelease(
          Effect.sync(() => spawn("python3", ["-c", manager, box.path("notify")])),
          (child) => Effect.sync(() => child.kill("SIGKILL")),
        )
        python.stdout.on("data", (data) => (received += String(data)))
        const until = (text: string) =>
          Cli.until(
            () => received.includes(text),
            () => `${text} in ${received}`,
          )
        yield* until("listening")
        const running = yield* box.start({
          args: ["download", "--follow", "--out", "results", "--quiet"],
          env: { ...env, NOTIFY_SOCKET: box.path("notify") },
        })
        yield* until("READY=1")
        assert.match(received, /READY=1 STATUS=0 done {3}0 B; quota /)
        assert.notInclude(received, "STOPPING")
        yield* running.signal("SIGTERM")
        const { exitCode, stderr } = yield* running.ended
        assert.strictEqual(exitCode, 130, stderr)
        assert.strictEqual(stderr, "")
        yield* until("STOPPING=1")
      }).pipe(Effect.scoped),
  )
})
