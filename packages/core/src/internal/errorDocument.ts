/**
 * The API's error document. Gateways and proxies answer in the API's place as well, with pages of their own: only a document
 * with the API's error code decides something about a machine, an action or a permission.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { foreignText, type Secrets } from "./foreignText.ts"

interface Head {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
}

const decode = Schema.decodeUnknownOption(
  Schema.fromJsonString(
    Schema.Struct({
      error: Schema.Struct({
        code: Schema.optional(Schema.String),
        message: Schema.optional(Schema.String),
        target: Schema.optional(Schema.String),
      }),
    }),
  ),
)

export const parse = (body: string) => Option.getOrUndefined(decode(body))?.error

/**
 * Whether an error means something only with the document. The others are waits and retries, which are right whoever asks for
 * them; a request that must not be repeated (`isOnce`) is not repeated for those either, because it may have passed on.
 */
export const isNeeded = ({ headers, status }: Head, { isOnce }: { readonly isOnce: boolean }): boolean => {
  if (status === 401) return isOnce && headers["www-authenticate"] === undefined
  if (status === 429) return isOnce
  return status >= 400 && status < 500 && status !== 408
}

/** What answered in the API's place, as far as its head tells. */
export const describeForeign = ({ headers, status }: Head, secrets: Secrets): string => {
  const details = [headers["content-type"], headers["via"] ?? headers["server"]]
  const known = details.flatMap((text) => (text === undefined ? [] : [foreignText(text, secrets, 80)]))
  return `HTTP ${[status, ...known].join(", ")}, without the API's error document`
}
