/**
 * Posts the outcome of a command to a webhook. It has counts and reasons, and neither results nor secrets.
 */
import * as NodeTransport from "@live-response/node/NodeTransport"
import * as TerminalText from "@live-response/core/TerminalText"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import type * as EventOutput from "./EventOutput.ts"
import * as FailureReasons from "./FailureReasons.ts"
import * as FleetProgress from "./FleetProgress.ts"
import * as StandardError from "./StandardError.ts"
import { printable } from "./Printable.ts"
import { nameAndVersion } from "./ProgramName.ts"

/** What the webhook gets. `docs/telemetry.md` describes it. */
export const bodyOf = (
  { exit, progress }: EventOutput.Outcome,
  about: { readonly command: string; readonly directory: string; readonly at: string },
) => {
  const { fleet, interrupted, summary } = progress
  const { bytes, completed, failed, links, skipped } = summary
  const error = Exit.isFailure(exit) && !interrupted ? Cause.squash(exit.cause) : undefined
  const isIncomplete = failed > 0 || (fleet !== undefined && FleetProgress.failed(fleet))
  return {
    event: interrupted ? "interrupted" : error !== undefined ? "failed" : isIncomplete ? "incomplete" : "finished",
    ...about,
    program: nameAndVersion,
    results: { completed, skipped, failed, bytes, links },
    ...(fleet === undefined ? {} : { sessions: fleet.sessions }),
    failures: FailureReasons.mostFrequent(progress.reasons).slice(0, 3),
    ...(error instanceof Error ? { error: TerminalText.withoutSecrets(printable(error.message)) } : {}),
  }
}

/** A second, two and four between attempts. The command ends after them. */
const retries = { schedule: Schedule.exponential("1 second"), times: 3 }

const perAttempt = "10 seconds"

/** After Ctrl-C somebody waits for the end, and a service manager does not wait long. */
const afterInterruption = "10 seconds"

/** All attempts and the pauses between them. */
const all = "1 minute"

/** How long the host of a webhook may take to answer anything at all. */
const toAnswer = "5 seconds"

/**
 * Warns soon, and not after a run of hours, where no outcome can arrive: a firewall drops packets without an answer. It asks the host
 * and not the webhook, whose message would look like an outcome; any answer will do.
 */
const check = (url: Redacted.Redacted<string>) =>
  HttpClient.execute(HttpClientRequest.head(new URL("/", Redacted.value(url)))).pipe(
    Effect.scoped,
    Effect.timeout(toAnswer),
    Effect.provide(NodeTransport.layer),
    Effect.provideService(References.MinimumLogLevel, "None"),
    Effect.withTracerEnabled(false),
    Effect.catch((error) => {
      const problem = error._tag === "TimeoutError" ? `does not answer within ${toAnswer}` : "can't be reached"
      return StandardError.write(
        `live-response: the server of --notify ${problem}, so the outcome may not arrive; check its address, the network and the proxy`,
        "warning",
      )
    }),
  )

/** How long a post may take before a message explains why the command does not end. */
const untilNotice = "3 seconds"

const limitOf = ({ event }: ReturnType<typeof bodyOf>) => (event === "interrupted" ? afterInterruption : all)

/** Posts a body. That it could not be delivered is a warning, because the command itself is done. */
const post = (url: Redacted.Redacted<string>, body: ReturnType<typeof bodyOf>) =>
  Effect.gen(function* () {
    yield* StandardError.write(
      `live-response: the webhook of --notify has not accepted the outcome yet; trying for up to ${limitOf(body)}`,
    ).pipe(Effect.delay(untilNotice), Effect.forkScoped)
    const client = (yield* HttpClient.HttpClient).pipe(HttpClient.filterStatusOk)
    const request = yield* HttpClientRequest.bodyJson(HttpClientRequest.post(Redacted.value(url)), body)
    yield* client.execute(request).pipe(
      // The debug log has the path of each request: that of a webhook is a secret.
      Effect.provideService(References.MinimumLogLevel, "None"),
      Effect.scoped,
      Effect.timeout(perAttempt),
      Effect.retry(retries),
    )
  }).pipe(
    Effect.scoped,
    Effect.provide(NodeTransport.layer),
    Effect.withTracerEnabled(false),
    // A command that was interrupted ends whatever is interruptible in its own fiber. A time-out runs this in another one.
    Effect.interruptible,
    Effect.timeout(limitOf(body)),
    Effect.catch((error) => {
      const status = "response" in error && error.response !== undefined ? ` (HTTP ${error.response.status})` : ""
      return StandardError.write(
        `live-response: the webhook of --notify did not accept the outcome${status}; check its address`,
        "warning",
      )
    }),
  )

/** What notifies a webhook, if there is one. Until the scope closes, it is checked in the background. */
export const notifier = Effect.fnUntraced(function* (
  address: Option.Option<Redacted.Redacted<string>>,
  about: { readonly command: string; readonly directory: string },
) {
  const url = Option.getOrUndefined(address)
  if (url === undefined) return undefined
  yield* Effect.forkScoped(check(url))
  return (outcome: EventOutput.Outcome): Effect.Effect<void> =>
    Effect.flatMap(DateTime.now, (now) => post(url, bodyOf(outcome, { ...about, at: DateTime.formatIso(now) })))
})
