import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Lists from "../src/input/Lists.ts"
import * as Machines from "../src/input/MachineArguments.ts"
import * as Targets from "../src/input/Targets.ts"

const id = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "live-response-lists-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true })),
)

/** A file of this name and content. */
const file = (name: string, content: string | Uint8Array) =>
  Effect.map(directory, (directory) => {
    const path = join(directory, name)
    writeFileSync(path, content)
    return path
  })

/** What a list holds, each as it is printed; a broken line as the line it is. */
const targetsOf = (source: string) =>
  Targets.fromList(source).pipe(
    Stream.map((target) =>
      Targets.isBadTarget(target)
        ? `bad ${"line" in target ? target.line : ""}`
        : Targets.isWholeAction(target)
          ? target.id
          : String(target),
    ),
    Stream.runCollect,
  )

const machinesOf = (source: string) =>
  Machines.fromList(source).pipe(
    Stream.map((machine) => (typeof machine === "string" ? machine : "name" in machine ? machine.name : "bad")),
    Stream.runCollect,
  )

const stdin = (...pieces: ReadonlyArray<string | Uint8Array>) =>
  Stdio.layerTest({
    stdin: Stream.fromIterable(
      pieces.map((piece) => (typeof piece === "string" ? new TextEncoder().encode(piece) : piece)),
    ),
  })

const utf16 = (text: string) => Buffer.from(`\uFEFF${text}`, "utf16le")

const services = Layer.merge(NodeServices.layer, stdin())

describe("a list", () => {
  it.live.each([
    {
      what: "lines with comments and blank lines",
      name: "plain",
      content: `# monday\n\n${id(0)}:0-1\n\t \n # more\n  ${id(0)}:2  \n`,
    },
    { what: "lines of Windows", name: "a.txt", content: `\uFEFF# monday\r\n${id(0)}:0\r\n\r\n${id(0)}:1,2\r\n` },
    { what: "lines that end with CR alone", name: "a.txt", content: `# old\r${id(0)}:0\r\r${id(0)}:1,2\r` },
    { what: "CSV that does", name: "a.csv", content: `sep=,\rindex,machineActionId\r0-2,${id(0)}\r` },
    { what: "lines without a last line feed", name: "a.txt", content: `${id(0)}:0\n${id(0)}:1-2` },
    {
      what: "JSON lines",
      name: "a.jsonl",
      content: `\uFEFF{"machineActionId":"${id(0)}","index":0}\r\n\n{"host":"WS-1","index":"1-2","machineActionId":"${id(0)}"}`,
    },
    {
      what: "CSV",
      name: "a.CSV",
      content: `\uFEFFhost,index,machineActionId\r\n"WS-1, the ""first""",0,${id(0)}\r\n\r\n"two\nlines",1-2,"${id(0)}"`,
    },
    {
      what: "CSV with semicolons: case 12 of the public bug reports",
      name: "a.csv",
      content: `machineActionId;index;host\r\n${id(0)};0;a,b\r\n${id(0)};1,2;c`,
    },
    { what: "CSV with tabs", name: "a.csv", content: `machineActionId\tindex\n${id(0)}\t0-2\n` },
    {
      what: "CSV with Excel's sep= line",
      name: "a.csv",
      content: `sep=;\r\nindex;machineActionId\r\n0-2;${id(0)}\r\n`,
    },
    {
      what: "CSV with PowerShell's #TYPE line and quotes",
      name: "a.csv",
      content: `#TYPE System.Management.Automation.PSCustomObject\r\n"machineActionId","index"\r\n"${id(0)}","0-2"\r\n`,
    },
    {
      what: "CSV that is recognised by its header alone",
      name: "hunt.tsv",
      content: `# exported\n\nMachineActionId\tIndex\n${id(0)}\t0-2`,
    },
    { what: "UTF-16 lines", name: "a.txt", content: utf16(`${id(0)}:0\r\n${id(0)}:1,2\r\n`) },
    {
      what: "UTF-16 lines without a byte order mark",
      name: "a.txt",
      content: Buffer.from(`${id(0)}:0-2\r\n`, "utf16le"),
    },
    { what: "UTF-16 CSV", name: "a.csv", content: utf16(`machineActionId,index\r\n${id(0)},0\r\n${id(0)},1-2\r\n`) },
  ])("is $what", ({ content, name }) =>
    Effect.gen(function* () {
      const all = [0, 1, 2].map((index) => `${id(0)}:${index}`)
      assert.deepStrictEqual(yield* targetsOf(yield* file(name, content)), all)
      // The same from standard input, which has no name, in pieces of any length.
      if (/csv$/i.test(name) || name === "plain") {
        const bytes = Buffer.from(content)
        const pieces = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))
        assert.deepStrictEqual(yield* Effect.provide(targetsOf("-"), stdin(...pieces)), all)
      }
    }).pipe(Effect.provide(services)),
  )

  it.live("can be what PowerShell 5.1 wrote (case 5 of the public bug reports)", () =>
    Effect.gen(function* () {
      const path = yield* file("hosts.txt", utf16(`${"1".repeat(40)}\r\nws-1.contoso.com\r\n`))
      assert.deepStrictEqual(yield* machinesOf(path), ["1".repeat(40), "ws-1.contoso.com"])
    }).pipe(Effect.provide(services)),
  )

  it.live("of machines is CSV if it has the one column, even as the only column", () =>
    Effect.gen(function* () {
      const named = yield* file("hunt", `DeviceName;MachineId\nWS-1;${"a".repeat(40)}\n`)
      assert.deepStrictEqual(yield* machinesOf(named), ["a".repeat(40)])
      const alone = yield* file("alone", `machineId\nws-1.contoso.com\n`)
      assert.deepStrictEqual(yield* machinesOf(alone), ["ws-1.contoso.com"])
    }).pipe(Effect.provide(services)),
  )

  it.live("numbers a broken line as an editor does, whatever precedes it", () =>
    Effect.gen(function* () {
      const plain = yield* file("a.txt", `\n# note\n${id(0)}:0\nnonsense\n${id(0)}:1\n{"index":0}\n`)
      assert.deepStrictEqual(yield* targetsOf(plain), [`${id(0)}:0`, "bad 4", `${id(0)}:1`, "bad 6"])
      const csv = yield* file(
        "a.csv",
        `sep=;\r\n\r\nindex;machineActionId;host\r\n\r\n0;${id(0)};"two\r\nlines"\r\n\r\nx;${id(0)};\r\n`,
      )
      assert.deepStrictEqual(yield* targetsOf(csv), [`${id(0)}:0`, "bad 8"])
      const broken = yield* file("b.csv", `#TYPE x\nindex,machineActionId\n0,${id(0)}\n0,"${id(0)}"x\n`)
      assert.deepStrictEqual(yield* targetsOf(broken), [`${id(0)}:0`, "bad 4"])
    }).pipe(Effect.provide(services)),
  )

  it.live("is read as it arrives", () =>
    Effect.gen(function* () {
      const endless = Stream.concat(Stream.succeed(new TextEncoder().encode(`${id(0)}:0\n`)), Stream.never)
      const first = yield* Targets.fromList("-").pipe(
        Stream.take(1),
        Stream.runCollect,
        Effect.provide(Stdio.layerTest({ stdin: endless })),
      )
      assert.strictEqual(String(first[0]), `${id(0)}:0`)
    }),
  )

  it.live("is opened once: a named pipe is read, and is not counted before", () =>
    Effect.gen(function* () {
      const path = join(yield* directory, "pipe")
      execFileSync("mkfifo", [path])
      assert.isFalse(yield* Lists.isRepeatable(path))
      yield* Lists.check(Targets.fromList)(path)
      const reading = yield* Effect.forkChild(targetsOf(path))
      const lines = Array.from({ length: 20_000 }, (_, n) => `${id(n)}:0`)
      yield* Effect.promise(() => import("node:fs/promises").then((fs) => fs.writeFile(path, lines.join("\n"))))
      assert.deepStrictEqual(yield* Fiber.join(reading), lines)
    }).pipe(Effect.provide(services)),
  )

  it.live("can be read twice only if it is a file", () =>
    Effect.gen(function* () {
      assert.isTrue(yield* Lists.isRepeatable(yield* file("a.txt", "")))
      assert.isFalse(yield* Lists.isRepeatable("-"))
      assert.isFalse(yield* Lists.isRepeatable("/proc/nowhere"))
    }).pipe(Effect.provide(services)),
  )
})

describe("a list that can't be used", () => {
  it.live.each([
    {
      what: "no column index",
      name: "a.csv",
      content: `machineActionId,host\n`,
      says: /a\.csv, line 1: the header "machineActionId,host" has no column index; expected one target per line, or CSV with the columns machineActionId and index/,
    },
    {
      what: "no column that is needed",
      name: "a.csv",
      content: `sep=,\n\nid,n\n1,2\n`,
      says: /a\.csv, line 3: the header "id,n" has no column machineActionId and index/,
    },
    {
      what: "the wrong header in a file of another name",
      name: "a.txt",
      content: `index;id\n`,
      says: /a\.txt, line 1: the header "[^\n]*" has no column machineActionId/,
    },
    {
      what: "nothing in it",
      name: "a.txt",
      content: "",
      says: /a\.txt holds no targets; expected one target per line/,
    },
    { what: "comments alone", name: "a.csv", content: "# nothing today", says: /a\.csv holds no targets/ },
    { what: "a header alone", name: "a.csv", content: "machineActionId,index\n", says: /a\.csv holds no targets/ },
    { what: "a byte order mark alone", name: "a.txt", content: Buffer.of(0xff, 0xfe), says: /a\.txt holds no targets/ },
  ])("is a usage error that names it: $what", ({ content, name, says }) =>
    Effect.gen(function* () {
      const path = yield* file(name, content)
      for (const use of [Lists.check(Targets.fromList)(path), targetsOf(path)]) {
        const error = yield* Effect.flip(Effect.asVoid(use))
        assert.strictEqual(error.code, 2)
        assert.match(error.message, says)
      }
    }).pipe(Effect.provide(services)),
  )

  it.live.each(["DeviceName,ActionId\n", "Device Name;Action\n", '"host"\t"action_id"\n'])(
    "can be one with the header of another table, whatever its name: %j",
    (header) =>
      Effect.gen(function* () {
        const path = yield* file("a.txt", `${header}ws-1,${id(1)}\n`)
        for (const read of [targetsOf(path), machinesOf(path)]) {
          const error = yield* Effect.flip(read)
          assert.strictEqual(error.code, 2)
          assert.match(error.message, /a\.txt, line 1: the header "[^\n]*" has no column/)
        }
      }).pipe(Effect.provide(services)),
  )

  it.live("can be standard input twice", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Lists.checkAll(Targets.fromList)(["-", "-"]))
      assert.strictEqual(error.code, 2)
      assert.match(error.message, /^standard input \(-\) is named more than once/)
      yield* Lists.checkAll(Targets.fromList)(["-"])
    }).pipe(Effect.provide(services)),
  )

  it.live("can be standard input, which the message names", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.provide(machinesOf("-"), stdin("# nobody\n")))
      assert.match(
        error.message,
        /^standard input holds no machines; expected one machine per line, or CSV with the column machineId/,
      )
    }),
  )

  it.live("can be a missing file, or a directory", () =>
    Effect.gen(function* () {
      const check = Lists.check(Targets.fromList)
      assert.match(
        (yield* Effect.flip(check("/proc/nowhere"))).message,
        /^can't read \/proc\/nowhere: there is no such file$/,
      )
      assert.match((yield* Effect.flip(check("/"))).message, /^can't read \/: it is a directory$/)
      assert.match((yield* Effect.flip(targetsOf("/nowhere"))).message, /^can't read \/nowhere: .*ENOENT/)
    }).pipe(Effect.provide(services)),
  )

  it.live("ends wherever it is interrupted", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.provide(targetsOf("-"), Stdio.layerTest({ stdin: Stream.never })))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
    }),
  )
})

describe("bounds of a list", () => {
  it.live("a line of megabytes is one broken line, and the next one is read", () =>
    Effect.gen(function* () {
      const source = yield* file("long.txt", `${id(0)}:0${" ".repeat(Lists.longestLine * 3)}\n${id(1)}:0\n`)
      assert.deepStrictEqual(yield* targetsOf(source), ["bad 1", `${id(1)}:0`])
    }).pipe(Effect.scoped, Effect.provide(services)),
  )

  it.live("endless comments need no memory", () =>
    Effect.gen(function* () {
      const comments = Stream.fromIterable(Array.from({ length: 400 }, () => "# a comment\n".repeat(10_000)))
      const list = Stream.rechunk(1)(Stream.encodeText(Stream.concat(comments, Stream.make(`${id(1)}:0\nno target\n`))))
      const read = targetsOf("-").pipe(Effect.provide(Stdio.layerTest({ stdin: list })))
      assert.deepStrictEqual(yield* read, [`${id(1)}:0`, "bad 4000002"])
    }).pipe(Effect.provide(services)),
  )

  it.live.each([
    { what: "a comment", head: "# " + "x".repeat(300_000) },
    { what: "a comment after blanks", head: `${" ".repeat(10)}#${"x".repeat(300_000)}` },
    { what: "blanks", head: " ".repeat(300_000) },
  ])("$what of any length belongs to its own line", ({ head }) =>
    Effect.gen(function* () {
      for (const lineEnd of ["\n", "\r\n", "\r"]) {
        for (const size of [1000, 4096, 100_000]) {
          const text = `${head} ${id(0)}:0${lineEnd}${id(1)}:0${lineEnd}no target${lineEnd}`
          const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, n) =>
            text.slice(n * size, (n + 1) * size),
          )
          const stdin = Stream.rechunk(1)(Stream.encodeText(Stream.fromIterable(pieces)))
          const read = yield* targetsOf("-").pipe(Effect.provide(Stdio.layerTest({ stdin })))
          const first = head.includes("#") ? [] : [`${id(0)}:0`]
          assert.deepStrictEqual(read, [...first, `${id(1)}:0`, "bad 3"], `${JSON.stringify(lineEnd)} ${size}`)
        }
      }
    }).pipe(Effect.provide(services)),
  )

  it.live("a quote that is never closed does not load the list into memory", () =>
    Effect.gen(function* () {
      const line = `machineActionId,index\n"${`${"x".repeat(1000)}\n`.repeat(20_000)}`
      const source = yield* file("quote.csv", line)
      assert.deepStrictEqual(yield* targetsOf(source), ["bad 2"])
    }).pipe(Effect.scoped, Effect.provide(services)),
  )
})
