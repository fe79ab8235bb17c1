/**
 * Reports to systemd, if it started this program as a service with `Type=notify`: when it works, on what, and when it stops.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as StandardError from "./StandardError.ts"
import { printable } from "./Printable.ts"

/** Names the socket of the service manager. systemd sets it. */
export const socketVariable = "NOTIFY_SOCKET"

const interval = "10 seconds"

/** systemd answers at once. What does not may not delay the work. */
const timeout = 5000

export interface ServiceManager {
  /** Reports that the service works, once. */
  readonly ready: Effect.Effect<void>
  /** Reports that the service is stopping. */
  readonly stopping: Effect.Effect<void>
}

/**
 * Runs systemd's own `systemd-notify`, because Node has no sockets of the kind that systemd listens on. It inherits nothing but
 * what it needs. Returns why that failed, if it did.
 */
const notify = Effect.fnUntraced(function* (socket: string, ...variables: ReadonlyArray<string>) {
  // An import would load it for every command, and a binary can't import when it runs.
  const { execFile } = process.getBuiltinModule("node:child_process")
  return yield* Effect.callback<Option.Option<string>>((resume) => {
    const env = { [socketVariable]: socket, PATH: process.env.PATH ?? "" }
    execFile("systemd-notify", variables, { env, timeout }, (error, _, stderr) => {
      const [reason = ""] = (stderr.trim() || String(error?.message)).split("\n")
      resume(Effect.succeed(error === null ? Option.none() : Option.some(reason)))
    })
  })
})

const silent: ServiceManager = { ready: Effect.void, stopping: Effect.void }

/** Reports the status, one line of text, whenever it has changed, until the scope closes. Without systemd it does nothing. */
export const make = Effect.fnUntraced(function* (
  status: Effect.Effect<string>,
): Effect.fn.Return<ServiceManager, Config.ConfigError, Scope.Scope> {
  const socket = yield* Config.option(Config.NonEmptyString(socketVariable))
  if (Option.isNone(socket)) return silent

  let hasFailed = false
  const send = Effect.fnUntraced(function* (...variables: ReadonlyArray<string>) {
    const problem = yield* notify(socket.value, ...variables)
    if (Option.isNone(problem) || hasFailed) return
    hasFailed = true
    const why = printable(problem.value)
    yield* StandardError.write(
      `live-response: systemd can't be informed, because systemd-notify failed: ${why}; install systemd's own, or start the service without Type=notify`,
    )
  })

  let last = ""
  const ifChanged = Effect.map(status, (text) => {
    if (text === last) return []
    last = text
    return [`STATUS=${text}`]
  })
  yield* ifChanged.pipe(
    Effect.flatMap((variables) => (variables.length === 0 ? Effect.void : send(...variables))),
    Effect.delay(interval),
    Effect.forever,
    Effect.forkScoped,
  )

  return {
    ready: yield* Effect.cached(Effect.flatMap(ifChanged, (variables) => send("READY=1", ...variables))),
    stopping: send("STOPPING=1"),
  }
})
