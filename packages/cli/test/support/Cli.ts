/**
 * The program as its users start it: a process of its own, in a directory of its own, with an environment in which there
 * is nothing but what a test puts there.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { assert } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { spawn as spawnOnTerminal } from "@lydell/node-pty"
import type { ReferenceServer } from "./ReferenceServer.ts"

/** The checkout. */
export const repository = fileURLToPath(new URL("../../../..", import.meta.url))

const node = join(repository, "node_modules/.bin/node")
const sources = join(repository, "packages/cli/src/bin.ts")
/** The bundle of scripts/testBundle.mjs, or what LIVE_RESPONSE_TEST_BIN names. Outside of vitest it is the sources. */
export const main = process.env.LIVE_RESPONSE_TEST_BIN ?? sources

/** Hundreds of processes compile the same code: the second one on need not. */
const compileCache = process.env.LIVE_RESPONSE_TEST_COMPILE_CACHE ?? join(tmpdir(), "live-response-test-compile-cache")

/** What is typed: arguments of `live-response`, or with `program` of another program. */
export interface Command {
  readonly program?: string
  readonly args: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** What comes from standard input, by default nothing. `open` leaves it to the test, which types and closes. */
  readonly stdin?: string | { readonly open: true }
  /** Starts a process also where `CliInProcess` starts none: for a command that runs while another one does, or waits. */
  readonly ownProcess?: true
  /** How long it may take, where that is longer than a test. By default two and a half minutes. */
  readonly patience?: Duration.Input
}

/** A process that ended, with everything that it wrote, but for the progress. */
export interface Ended {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly pid: number
  /** What it wrote so far. On stderr that is without the progress: how much there is of it depends on the machine. */
  readonly stdout: () => string
  readonly stderr: () => string
  readonly type: (text: string) => Effect.Effect<void>
  readonly closeInput: Effect.Effect<void>
  /** Sends it a signal: `SIGINT` is what Ctrl-C sends. */
  readonly signal: (name: NodeJS.Signals) => Effect.Effect<void>
  readonly ended: Effect.Effect<Ended>
}

/** A program on a terminal, where both its outputs are one. */
export interface OnTerminal {
  readonly output: () => string
  readonly type: (text: string) => Effect.Effect<void>
  readonly ended: Effect.Effect<{ readonly exitCode: number; readonly output: string }>
}

/** A directory of one test: processes start in it, and whatever they leave is in it. */
export interface Sandbox {
  readonly root: string
  /** What programs have in their environment, beside what a command gives them. */
  readonly environment: Readonly<Record<string, string>>
  /** The directory of results of `download` below. */
  readonly out: string
  /** A path in here, in full. */
  readonly path: (path: string) => string
  readonly write: (path: string, content: string | Uint8Array) => string
  readonly read: (path: string) => Buffer
  /** The size of a result, 0 where there is none. */
  readonly sizeOf: (path: string) => number
  /** How much of a part was flushed, which is what a resume trusts, 0 where nothing was. */
  readonly flushed: (path: string) => number
  /** Every file under a directory, relative to it, sorted. */
  readonly files: (directory?: string) => ReadonlyArray<string>
  /** What there is in the sandbox at its top. */
  readonly entries: () => ReadonlyArray<string>
  /** The permissions of a path, as `ls` would number them. */
  readonly mode: (path: string) => number
  readonly start: (command: Command) => Effect.Effect<Running, never, Scope.Scope>
  /** Starts it, and waits for its end. */
  readonly run: (command: Command) => Effect.Effect<Ended>
  readonly onTerminal: (
    command: Command,
    size: { readonly columns: number },
  ) => Effect.Effect<OnTerminal, never, Scope.Scope>
}

/**
 * How long anything may take. It is not an assertion: a test that waits too long says for what, shortly before it would
 * time out. That something is quick is shown by what did not happen meanwhile.
 */
const defaultPatience = "150 seconds"

/** `download` from a server into the directory of results. */
export const download = (server: ReferenceServer, ...args: ReadonlyArray<string>): Command => ({
  args: ["download", "--endpoint", server.endpoint, "--out", "results", ...args],
  env: { LIVE_RESPONSE_TOKEN: server.bearer },
})

/** The same in a process of its own, wherever it is run. */
export const inOwnProcess = (command: Command): Command => ({ ...command, ownProcess: true })

/** The same from the sources, whose modules have their names. */
export const fromSources = (command: Command): Command => ({
  ...command,
  program: node,
  args: [sources, ...command.args],
})

/** The same in a shell's script, in which `"$@"` is the command. */
export const inShell = (command: Command, script: string): Command => ({
  ...command,
  program: "bash",
  args: ["-c", script, "shell", node, main, ...command.args],
})

/** The same, its stdout piped into something else. */
export const inPipe = (command: Command, into: string): Command => inShell(command, `"$@" | ${into}`)

export const sandbox: Effect.Effect<Sandbox, never, Scope.Scope> = Effect.gen(function* () {
  const root = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "live-response-test-"))),
    (root) => Effect.sync(() => rmSync(root, { recursive: true, force: true })),
  )
  const home = join(root, homeName)
  mkdirSync(home)
  const out = join(root, "results")

  const environment = {
    PATH: process.env.PATH ?? "",
    HOME: home,
    TMPDIR: home,
    XDG_STATE_HOME: join(home, "state"),
    LANG: "C.UTF-8",
    TZ: "UTC",
    NODE_COMPILE_CACHE: compileCache,
    // A server that holds a body holds it, on however slow a machine. It also shows that no end waits for a stall.
    LIVE_RESPONSE_STALL_TIMEOUT: "1 hour",
  }
  const options = (command: Command) => ({
    cwd: command.cwd ?? root,
    env: { ...environment, ...command.env },
  })
  const argv = (command: Command): [program: string, args: Array<string>] =>
    command.program === undefined ? [node, [main, ...command.args]] : [command.program, [...command.args]]

  const start: Sandbox["start"] = Effect.fnUntraced(function* (command) {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(...argv(command), options(command))),
      endNow,
    )
    // A program may end without having read its input.
    child.stdin.on("error", () => child.stdin.destroy())
    const { stdin = "" } = command
    if (typeof stdin === "string") child.stdin.end(stdin)
    let stdout = ""
    let written = ""
    const stderr = () => withoutProgress(written)
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text))
    child.stderr.setEncoding("utf8").on("data", (text: string) => (written += text))
    let closed = false
    child.once("close", () => (closed = true))
    return {
      pid: child.pid ?? 0,
      stdout: () => stdout,
      stderr,
      type: (text) => Effect.sync(() => void child.stdin.write(text)),
      closeInput: Effect.sync(() => void child.stdin.end()),
      signal: (name) => Effect.sync(() => void child.kill(name)),
      ended: until(
        () => closed,
        () => `the end of ${command.args.join(" ")}\n${stdout}\n${written}`,
        command.patience,
      ).pipe(Effect.map(() => ({ exitCode: child.exitCode, stdout, stderr: stderr() }))),
    }
  })

  const onTerminal: Sandbox["onTerminal"] = Effect.fnUntraced(function* (command, { columns }) {
    const [program, args] = argv(command)
    const { cwd, env } = options(command)
    const terminal = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawnOnTerminal(program, args, {
          name: "xterm-256color",
          cols: columns,
          rows: 30,
          cwd,
          env: { ...env, TERM: "xterm-256color" },
        }),
      ),
      (terminal) => Effect.sync(() => (exitCode === undefined ? terminal.kill("SIGKILL") : undefined)),
    )
    let output = ""
    let exitCode: number | undefined
    terminal.onData((text) => (output += text))
    terminal.onExit((exit) => (exitCode = exit.exitCode))
    return {
      output: () => output,
      type: (text) => Effect.sync(() => terminal.write(text)),
      ended: until(
        () => exitCode !== undefined,
        () => `the end of ${command.args.join(" ")}\n${output}`,
        command.patience,
      ).pipe(Effect.map(() => ({ exitCode: exitCode ?? -1, output }))),
    }
  })

  return {
    root,
    environment,
    out,
    write: (path, content) => {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), content)
      return path
    },
    path: (path) => join(root, path),
    sizeOf: (path) => statSync(join(out, path), { throwIfNoEntry: false })?.size ?? 0,
    flushed: (path) => {
      const record = join(out, `${path}.json`)
      return existsSync(record) ? decodeRecord(readFileSync(record, "utf8")).durable : 0
    },
    read: (path) => readFileSync(join(root, path)),
    files: (directory = out) => filesUnder(directory),
    entries: () => readdirSync(root).filter((name) => name !== homeName),
    mode: (path) => statSync(join(root, path)).mode & 0o777,
    start,
    run: (command) =>
      Effect.scoped(
        Effect.gen(function* () {
          const running = yield* start(command)
          return yield* running.ended
        }),
      ),
    onTerminal,
  }
})

/** Where the programs have their home and their state. */
const homeName = ".home"

/** A line is reported every ten seconds where stderr is not a terminal. */
export const withoutProgress = (stderr: string): string => stderr.replaceAll(/^\d\d:\d\d:\d\d UTC\S* {2}.*\n/gm, "")

const endNow = (child: ChildProcess) =>
  Effect.sync(() => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL")
  })

const filesUnder = (directory: string): ReadonlyArray<string> =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .sort()

/** Does something again and again, until the scope ends. */
export const keepDoing = (action: () => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.sync(action).pipe(Effect.repeat(Schedule.spaced("20 millis")), Effect.forkScoped, Effect.asVoid)

/** Waits until something holds, and says what it waited for where it never does. */
export const until = (
  holds: () => boolean,
  what: () => string,
  patience: Duration.Input = defaultPatience,
): Effect.Effect<void> =>
  Effect.sync(holds).pipe(
    Effect.repeat({ until: (held) => held, schedule: Schedule.spaced("10 millis") }),
    Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.die(`waited too long for ${what()}`) }),
    Effect.asVoid,
  )

const decodeRecord = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Struct({ durable: Schema.Int })))
const decodeLine = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

/** NDJSON, every line of which must be an object. */
export const ndjson = (text: string): ReadonlyArray<Readonly<Record<string, unknown>>> => {
  const lines = text.split("\n")
  if (lines.pop() !== "") throw new Error(`the last line has no end: ${text.slice(-200)}`)
  return lines.map((line) => decodeLine(line))
}

/** The same records without the instant that each of them has. */
export const timeless = (
  records: ReadonlyArray<Readonly<Record<string, unknown>>>,
): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  records.map(({ at, ...rest }) => {
    if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(String(at)))
      throw new Error(`no instant: ${JSON.stringify(rest)}`)
    return rest
  })

/** Asserts that no link and no token was printed or written to a file, in the state directory neither. */
export const assertNoSecrets = (box: Sandbox, server: ReferenceServer, ended: Omit<Ended, "exitCode">): void => {
  const places = new Map<string, Uint8Array | string>([
    ["stdout", ended.stdout],
    ["stderr", ended.stderr],
    ...box.files(box.root).map((path): [string, Buffer] => [path, box.read(path)]),
  ])
  for (const [place, content] of places) {
    for (const secret of ["sig=", server.bearer, ...server.signatures()]) {
      assert.isFalse(Buffer.from(content).includes(secret), `${secret} is in ${place}`)
    }
  }
}
