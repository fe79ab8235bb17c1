/**
 * The webhook that gets the outcome of a command: `--notify`.
 */
import * as Cloud from "@live-response/core/Cloud"
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as FlagTypes from "./FlagTypes.ts"

const variable = "LIVE_RESPONSE_NOTIFY"

const isSafe = Schema.is(Cloud.SecureAddress)

/** The address of a webhook is a secret, because it allows to post there. */
const parse = (text: string): Option.Option<Redacted.Redacted<string>> =>
  isSafe(text) ? Option.some(Redacted.make(new URL(text).href)) : Option.none()

const expected = "an https URL without a user or a password; plain http is for loopback alone"

/**
 * What of a refused address is printed. Without any text, the parser's error would be that no address was given. Before an `@`, the host
 * may be the start of a password.
 */
const hostOf = (text: string): string => (text.includes("@") ? "…" : URL.parse(text)?.host || (text === "" ? "" : "…"))

export const flag = Flag.String("notify").pipe(
  Flag.mapEffect((text) =>
    Effect.mapError(
      Effect.fromOption(parse(text)),
      () => new CliError.InvalidValue({ option: "notify", value: hostOf(text), expected, kind: "flag" }),
    ),
  ),
  FlagTypes.withVariable(variable, parse, expected),
  Flag.optional,
  Flag.withMetavar("URL"),
  FlagTypes.describe("Post a JSON object with the outcome to this webhook when the command has finished or failed", {
    env: variable,
  }),
)
