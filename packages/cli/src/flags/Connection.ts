/**
 * Flags for how patient this program is with a server. They take precedence over the environment variables that they name.
 */
import { defaultRetries, defaults } from "@live-response/core/Timing"
import type * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as FlagTypes from "./FlagTypes.ts"

const brief = (duration: Duration.Input): string => Duration.format(Duration.fromInputUnsafe(duration))

export const flags = {
  retries: FlagTypes.wholeNumber("retries", 0, 1000).pipe(
    Flag.optional,
    FlagTypes.describe(
      "How often a call that got no answer, or a download that makes no progress, is retried; for a network that is down see --give-up-after",
      {
        values: FlagTypes.range(0, 1000),
        default: `${defaultRetries.api} for a call, ${defaultRetries.transfer} for a download`,
        env: "LIVE_RESPONSE_RETRIES",
      },
    ),
  ),
  timeout: FlagTypes.wait("timeout", "How long a server may send nothing before the call is retried", {
    default: `${brief(defaults.headTimeout)} before an answer, ${brief(defaults.stallTimeout)} in it`,
    env: "LIVE_RESPONSE_TIMEOUT",
  }),
}

export type Options = Command.Command.Config.Infer<typeof flags>

/** The variables that the flags stand for. */
export const variables = ({
  retries = Option.none(),
  timeout = Option.none(),
}: Partial<Options>): Readonly<Record<string, string>> => {
  const written = Option.map(timeout, (timeout) => `${Duration.toMillis(timeout)} millis`)
  return {
    ...Option.match(retries, { onNone: () => ({}), onSome: (n) => ({ LIVE_RESPONSE_RETRIES: String(n) }) }),
    ...Option.match(written, {
      onNone: () => ({}),
      // The flag precedes both variables.
      onSome: (text) => ({ LIVE_RESPONSE_TIMEOUT: text, LIVE_RESPONSE_STALL_TIMEOUT: text }),
    }),
  }
}
