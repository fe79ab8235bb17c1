/**
 * Where a live page is served: `--listen`.
 */
import * as Flag from "effect/cli/Flag"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as FlagTypes from "./FlagTypes.ts"

export interface Listen {
  /** An address, without the brackets of IPv6. */
  readonly host: string
  readonly port: number
  /** As it was given. */
  readonly text: string
}

const form = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/i

const highestPort = 65_535

export const parse = (text: string): Option.Option<Listen> => {
  const [, ipv6, name = "", digits = ""] = form.exec(text) ?? []
  const host = ipv6 ?? (name.toLowerCase() === "localhost" ? "127.0.0.1" : name)
  const port = Number(digits)
  const isAddress = Result.isSuccess(NetAddress.ipFromString(host))
  return digits !== "" && port <= highestPort && isAddress ? Option.some({ host, port, text }) : Option.none()
}

export const expected = "an address and a port, such as 127.0.0.1:8080, or 127.0.0.1:0 for any free port"

export const flag = Flag.String("listen").pipe(
  Flag.filterMap(parse, () => expected),
  Flag.optional,
  Flag.withMetavar("HOST:PORT"),
  FlagTypes.describe(
    "Serve a page that shows the results as they arrive, and /health, /ready and /metrics; an address other than loopback needs LIVE_RESPONSE_LISTEN_TOKEN",
    { values: "such as 127.0.0.1:8080" },
  ),
)
