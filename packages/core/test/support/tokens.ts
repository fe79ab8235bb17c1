import type { Claims } from "@live-response/core/AccessToken"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Redacted from "effect/Redacted"

/** An unsigned token with these claims. */
export const tokenOf = (claims: Claims | string): Redacted.Redacted<string> =>
  Redacted.make(
    [
      Base64Url.encode(JSON.stringify({ typ: "JWT", alg: "none" })),
      Base64Url.encode(typeof claims === "string" ? claims : JSON.stringify(claims)),
      "c2ln",
    ].join("."),
  )
