/**
 * The webhook that gets the outcome of a command: `--notify`.
 */
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as FlagTypes from "./FlagTypes.ts"

const variable = "LIVE_RESPONSE_NOTIFY"

const loopback = /^(?:127(?:\.\d{1,3}){3}|\[::1\]|localhost)$/

/** The address of a webhook is a secret, because it allows to post there. */
const parse = (text: string): Option.Option<Redacted.Redacted<string>> => {
  const url = URL.parse(text)
  if (url === null || url.username !== "" || url.password !== "") return Option.none()
  const isSafe = url.protocol === "https:" || (url.protocol === "http:" && loopback.test(url.hostname))
  return isSafe ? Option.some(Redacted.make(url.href)) : Option.none()
}

const expected = "an https URL without a user or a password; plain http is for loopback alone"

export const flag = Flag.String("notify").pipe(
  Flag.filterMap(parse, () => expected),
  FlagTypes.withVariable(variable, parse, expected),
  Flag.optional,
  Flag.withMetavar("URL"),
  FlagTypes.describe("Post a JSON object with the outcome to this webhook when the command has finished or failed", {
    env: variable,
  }),
)
