/** What an answer of the storage means. */
import type * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import { ResultHead } from "../ResultChunk.ts"
import * as TransferError from "../TransferError.ts"
import * as ForeignNumber from "./foreignNumber.ts"
import { foreignText, holdsSecret, type Secrets } from "./foreignText.ts"
import * as OriginalName from "./originalName.ts"
import * as RetryAfter from "./retryAfter.ts"
import * as TrustedInstance from "./trustedInstance.ts"

/** The head of an answer. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
}

/** What was received of the result so far. */
export interface Present {
  readonly head: ResultHead | undefined
  readonly offset: number
}

/** What reading an answer needs: this machine's clock, and the secrets that a server may repeat. */
export interface Reading {
  readonly now: DateTime.Utc
  readonly secrets: Secrets
}

export type Meaning =
  /** Its body is the rest of the result, or all of it. */
  | { readonly _tag: "Body"; readonly head: ResultHead }
  /** Its body is all of the result, and replaces what was received. */
  | { readonly _tag: "StartOver"; readonly head: ResultHead }
  /** The storage does not continue what was received: request all of the result. */
  | { readonly _tag: "AskForWhole" }
  | { readonly _tag: "Failed"; readonly reason: TransferError.Reason }
  /** It is not from the storage. */
  | { readonly _tag: "Foreign" }

/** Every answer of the storage has one of these headers or an ETag. The page of a gateway has none of them. */
const marks = ["x-ms-request-id", "x-ms-version", "x-ms-error-code"]

const isPage = ({ headers }: Answer): boolean => /^(text\/html|application\/xhtml)/i.test(headers["content-type"] ?? "")

/** The storage's own errors are XML, and so are those of gateways that stand in for one. */
const isXml = ({ headers }: Answer): boolean => /^(text|application)\/xml/i.test(headers["content-type"] ?? "")

/** Web servers set ETags on their pages as well, but in another form than the storage. */
const hasMark = (answer: Answer, page = isPage(answer)): boolean => {
  const etag = answer.headers["etag"]
  const isStorages = etag !== undefined && (!page || /^"0x[0-9a-f]+"$/i.test(etag))
  return isStorages || marks.some((name) => answer.headers[name] !== undefined)
}

/**
 * Whether an answer is not from the storage if its body is a page. A result that is a page has the storage's marks. Other bytes,
 * plain text among them, are accepted without them: it is not documented what serves investigation packages, and a gateway that
 * removes headers would otherwise leave no result at all.
 */
export const isForeignIfPage = (answer: Answer): boolean => !hasMark(answer, true)

const unavailable = new Set([408, 429, 500, 502, 503, 504])

/**
 * Whether something other than the storage answered: with a page, with an XML document, with a redirect, or with content that
 * lacks the ETag that the storage sent before.
 */
const isForeign = (answer: Answer, { head }: Present): boolean => {
  const { status } = answer
  if (unavailable.has(status) || hasMark(answer)) return false
  return (
    status === 511 ||
    (status >= 300 && status < 400) ||
    isPage(answer) ||
    isXml(answer) ||
    (status === 200 && head?.etag !== undefined)
  )
}

/** What an answer means for a transfer that has received this much. */
export const meaningOf = (answer: Answer, present: Present, { now, secrets }: Reading): Meaning => {
  const { status } = answer
  if (isForeign(answer, present)) return { _tag: "Foreign" }
  // Its body says what went wrong, whatever the status became on the way.
  if (status === 200 && answer.headers["x-ms-error-code"] !== undefined) {
    return failed(refusalOf(answer, { now, secrets }))
  }
  if (status === 200) return { _tag: present.offset === 0 ? "Body" : "StartOver", head: headOf(answer, secrets) }
  if (present.offset === 0) {
    // A range that was not requested may not be the start of the result.
    return status === 206
      ? failed(
          new TransferError.Broken({
            offset: 0,
            description: "the storage sent a range, and the whole result was requested",
          }),
        )
      : failed(refusalOf(answer, { now, secrets }))
  }
  if (continues(answer, present))
    return { _tag: "Body", head: completed(present.head, answer, headOf(answer, secrets)) }
  return [206, 412, 416].includes(status) ? { _tag: "AskForWhole" } : failed(refusalOf(answer, { now, secrets }))
}

/** Describes what answered instead of the storage, by its headers and its page. */
export const foreign = ({ headers, status }: Answer, body: string, secrets: Secrets): TransferError.NotFromStorage => {
  const contentType = short(headers["content-type"], secrets)
  const via = short(headers["via"] ?? headers["server"], secrets)
  const title = short(/<title[^>]*>([^<]*)/i.exec(body)?.[1], secrets)
  return new TransferError.NotFromStorage({
    status,
    ...(contentType === undefined ? {} : { contentType }),
    ...(via === undefined ? {} : { via }),
    ...(title === undefined ? {} : { title }),
  })
}

/** Foreign text, shortened for a message. */
const short = (text = "", secrets: Secrets): string | undefined => {
  const line = foreignText(text.replaceAll(/\p{Cf}/gu, ""), secrets, 80)
  return line === "" ? undefined : line
}

const failed = (reason: TransferError.Reason): Meaning => ({ _tag: "Failed", reason })

/** Whether what was announced twice is the same. */
const agrees = (announced: string | undefined, known: string | undefined): boolean =>
  announced === undefined || known === undefined || announced === known

/** Whether an answer continues exactly after the received bytes, with the same content. */
const continues = ({ headers, status }: Answer, { head, offset }: Present): boolean => {
  const { start, total } = ForeignNumber.contentRange(headers["content-range"])
  return (
    status === 206 &&
    start === offset &&
    (head?.length === undefined || total === head.length) &&
    agrees(headers["etag"], head?.etag) &&
    agrees(headers["x-ms-blob-content-md5"], head?.md5) &&
    encodingOf(headers) === head?.encoding
  )
}

/** The encoding of a body, where it has one: the bytes of one encoding do not continue those of another. */
const encodingOf = (headers: Answer["headers"]): string | undefined => {
  const encoding = headers["content-encoding"]?.trim().toLowerCase()
  return encoding === "" || encoding === "identity" ? undefined : encoding?.slice(0, longestHeader)
}

/**
 * What is known of the whole once an answer to a range continues it, which may announce what the first answer did not: the MD5
 * and the length. A range may end before the whole does, so without either nothing shows whether the result is complete.
 */
const completed = (head: ResultHead | undefined, { headers }: Answer, { md5 }: ResultHead): ResultHead => {
  const { unchecked: _, ...first } = head ?? {}
  const { total } = ForeignNumber.contentRange(headers["content-range"])
  const known = {
    ...first,
    ...(first.md5 !== undefined || md5 === undefined ? {} : { md5 }),
    ...(first.length !== undefined || total === undefined ? {} : { length: total }),
  }
  const isChecked = known.md5 !== undefined || known.length !== undefined
  return ResultHead.make({ ...known, ...(isChecked ? {} : { unchecked: true }) })
}

/** In characters. The ETags of storages have some 20, an MD5 has 24. */
const longestHeader = 1000

/**
 * A header that repeats a secret counts as absent, because its value would be written to the manifest, and so does one that
 * is too long for the record of a part.
 */
const headOf = ({ headers, status }: Answer, secrets: Secrets): ResultHead => {
  const clean = (text: string | undefined) =>
    text === undefined || text.length > longestHeader || holdsSecret(text, secrets) ? undefined : text
  const etag = clean(headers["etag"])
  const length = ForeignNumber.byteCount(headers["content-length"])
  // On an answer to a range, `Content-MD5` is that of the range.
  const md5 = clean((status === 206 ? undefined : headers["content-md5"]) ?? headers["x-ms-blob-content-md5"])
  const encoding = clean(encodingOf(headers))
  const fileName = clean(Option.getOrUndefined(OriginalName.fromDisposition(headers["content-disposition"])))
  // A chunked body marks its end. Any other body of unknown length ends with its connection, even if that broke early.
  const isUnchecked =
    length === undefined && md5 === undefined && !/\bchunked\b/i.test(headers["transfer-encoding"] ?? "")
  return TrustedInstance.make(ResultHead, {
    ...(length === undefined ? {} : { length }),
    ...(etag === undefined ? {} : { etag }),
    ...(md5 === undefined ? {} : { md5 }),
    ...(encoding === undefined ? {} : { encoding }),
    ...(fileName === undefined ? {} : { fileName }),
    ...(isUnchecked ? { unchecked: true } : {}),
  })
}

/** The codes of a 403 that a renewed link may change. The last is that of Azurite and of a closed storage. */
const renewable = new Set([undefined, "AuthenticationFailed", "AuthorizationFailure"])

const refusalOf = ({ headers, status }: Answer, { now, secrets }: Reading): TransferError.Reason => {
  const code = short(headers["x-ms-error-code"], secrets)
  const answer = { status, ...(code === undefined ? {} : { code }) }
  const isOfLink = status === 403 || (status === 200 && code !== undefined)
  if (isOfLink && renewable.has(code)) return new TransferError.LinkRefused(answer)
  if (!unavailable.has(status)) return new TransferError.Refused(answer)
  const retryAfter = RetryAfter.parse({ header: headers["retry-after"], now })
  return new TransferError.Unavailable({
    ...answer,
    ...(Option.isSome(retryAfter) ? { retryAfter: retryAfter.value } : {}),
  })
}
