/**
 * What a person sees: the command line on a pseudo-terminal.
 */
import { join } from "node:path"
import { stripVTControlCharacters } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { spawn } from "@lydell/node-pty"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schedule from "effect/Schedule"
import * as Cli from "./support/Cli.ts"
import * as ReferenceServer from "./support/ReferenceServer.ts"

const id = "988cc94e-7a8f-4b28-ab65-54970c5d5018"
const showCursor = "\u001b[?25h"

describe("on a terminal", () => {
  it.live.each([{ columns: 100 }, { columns: 50 }])(
    "$columns columns wide, it draws the progress, and wipes it away for the summary",
    ({ columns }) =>
      Effect.gen(function* () {
        const server = yield* ReferenceServer.make({
          results: { [`${id}:0`]: { bytes: new Uint8Array(1000) }, [`${id}:1`]: { bytes: new Uint8Array(2000) } },
          onBlob: ({ nth, result }) => (result === `${id}:1` && nth === 1 ? { holdAfter: 1000 } : undefined),
          onLink: ({ result }) =>
            result === `${id}:2`
              ? ReferenceServer.apiError(404, "ResourceNotFound", "gone \u001b[2J\u202Eaway")
              : undefined,
        })
        const cwd = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
        const terminal = spawn(process.execPath, [Cli.main, "download", `${id}:0-2`], {
          cols: columns,
          rows: 30,
          cwd,
          env: {
            PATH: process.env.PATH,
            TERM: "xterm-256color",
            XDG_STATE_HOME: join(cwd, ".state"),
            LIVE_RESPONSE_STALL_TIMEOUT: "1 hour",
            LIVE_RESPONSE_TOKEN: server.bearer,
            LIVE_RESPONSE_ENDPOINT: server.endpoint,
          },
        })
        let shown = ""
        let ended: number | undefined
        terminal.onData((data) => (shown += data))
        terminal.onExit(({ exitCode }) => (ended = exitCode))
        yield* Effect.addFinalizer(() => Effect.sync(() => ended ?? terminal.kill("SIGKILL")))
        const until = (holds: () => boolean) =>
          Effect.repeat(Effect.sync(holds), { schedule: Schedule.spaced("20 millis"), until: (held) => held })

        yield* until(
          () => server.held() === 1 && /Results .*2 of 3.*Quota .*3\/100/s.test(stripVTControlCharacters(shown)),
        )
        const drawn = stripVTControlCharacters(shown).split(/\r?\n|\r/)
        assert.isTrue(
          drawn.some((line) => /^Quota .*3\/100 this minute/.test(line)),
          shown,
        )
        assert.isTrue(drawn.some((line) => /next link now/.test(line)))
        for (const line of drawn.filter((line) => /^(Results|Quota|Ends| {9})/.test(line))) {
          assert.isBelow(line.length, columns, line)
        }
        server.release()

        yield* until(() => ended !== undefined)
        assert.strictEqual(ended, 1)
        const said = stripVTControlCharacters(shown)
        // A narrow terminal has it in several lines.
        assert.match(said.replaceAll(/\s/g, ""), /failed:linkof[0-9a-f-]+:2:notfound/)
        assert.match(said, /2 downloaded \(3\.0 kB\), 1 failed; 2 links in \d+ s\./)
        assert.include(shown, showCursor)
        assert.notInclude(shown, "\u001b[2J")
        assert.notInclude(shown, "\u202E")
      }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer)),
  )
})
