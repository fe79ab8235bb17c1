/**
 * The API's error document. A gateway or a proxy may answer instead of the API, with a page of its own: only an error with
 * the API's error code says something about a machine, an action or a permission.
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
 * Whether an answer with this status counts only with the document. The other errors lead to a wait or a retry, which is
 * right for any answer. A request that must not be repeated (`isOnce`) needs the document for 401 and 429 as well,
 * because the API may have received it.
 */
export const isRequired = ({ headers, status }: Head, { isOnce }: { readonly isOnce: boolean }): boolean => {
  if (status === 401) return isOnce && headers["www-authenticate"] === undefined
  if (status === 429) return isOnce
  return status >= 400 && status < 500 && status !== 408
}

/** Describes an answer without the document, by its headers. */
export const describeForeign = ({ headers, status }: Head, secrets: Secrets): string => {
  const details = [headers["content-type"], headers["via"] ?? headers["server"]]
  const known = details.flatMap((text) => (text === undefined ? [] : [foreignText(text, secrets, 80)]))
  return `HTTP ${[status, ...known].join(", ")}, without the API's error document`
}
