import * as Redacted from "effect/Redacted"
import type { Secrets } from "./foreignText.ts"

/** A token that was replaced is valid until it expires, so that the API may still repeat it. */
const mostTokens = 8

/** The tokens that were sent last, which must not appear in anything that the API answers. */
export class SentTokens {
  private readonly tokens = new Map<string, Redacted.Redacted<string>>()
  /** The same list until another token is sent, because the forms of each list are computed once. */
  secrets: Secrets = []
  private last: string | undefined

  add(token: Redacted.Redacted<string>): void {
    if (this.last === Redacted.value(token)) return
    this.last = Redacted.value(token)
    this.tokens.delete(Redacted.value(token))
    this.tokens.set(Redacted.value(token), token)
    for (const oldest of Array.from(this.tokens.keys()).slice(0, -mostTokens)) this.tokens.delete(oldest)
    this.secrets = Array.from(this.tokens.values())
  }
}
