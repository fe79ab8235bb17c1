/**
 * How far a transport has come with a request, and since when the request has been allowed.
 *
 * It is public because transports report it: `NodeTransport` of `@live-response/node` does.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * The progress of one request. It never goes back: a client that sends a request again has sent it.
 *
 * @since 0.1.0
 * @category models
 */
export class Progress {
  private phase: "unknown" | "connecting" | "sending" = "unknown"

  /** The transport has the request, and has written no byte of it: it waits for a connection. */
  connecting(): void {
    if (this.phase === "unknown") this.phase = "connecting"
  }

  /** The connection is open, and the request is written now. */
  sending(): void {
    this.phase = "sending"
  }

  /** Whether it is certain that no byte was sent. It is not where the transport reports nothing. */
  get isUnsent(): boolean {
    return this.phase === "connecting"
  }
}

/**
 * The progress of the request that this fiber makes, where somebody wants to know it.
 *
 * **When to use**
 *
 * Use it in a transport. A request that reached its time limit before it was sent counts neither for a quota nor as one that may
 * have had an effect: it waits until the host can be reached, and is sent then.
 *
 * **Gotchas**
 *
 * A transport that reports it must not write a request any more that was interrupted while it was connecting.
 *
 * @since 0.1.0
 * @category services
 */
export const RequestProgress: Context.Reference<Progress | undefined> = Context.Reference(
  "@live-response/core/RequestProgress",
  { defaultValue: (): Progress | undefined => undefined },
)

/**
 * The milliseconds since the request that this fiber makes was recorded as one that may be sent, where that was recorded.
 *
 * **When to use**
 *
 * Use it in a transport that refuses to write a request late. Without it the age is the time since the transport got the request,
 * which does not count a program that stood still right before.
 *
 * @since 0.1.0
 * @category services
 */
export const RequestAge: Context.Reference<(() => number) | undefined> = Context.Reference(
  "@live-response/core/RequestAge",
  { defaultValue: (): (() => number) | undefined => undefined },
)
