/**
 * Text of servers, where it becomes part of an error or of a record: one line of bounded length, without secrets. A server
 * may repeat the token, the link or the password that it was sent, and the error pages of gateways do.
 */
import * as Base64 from "effect/encoding/Base64"
import * as Base64Url from "effect/encoding/Base64Url"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { parseJson } from "./parseJson.ts"
import { oneLine } from "./text.ts"

export type Secrets = ReadonlyArray<Redacted.Redacted<string>>

/** A longer text says nothing more to a person. */
const longest = 1000

/** A shorter text is a part of too many words: redacting it would leave nothing to read. */
const shortest = 4

const mark = "<redacted>"

/** What looks like a secret: a signature, a bearer token, a JWT, a password in a URL. */
const looks: ReadonlyArray<readonly [RegExp, string]> = [
  [/(\b(?:sig|token)(?:=|%3D))[^&\s"'<>]+/gi, `$1${mark}`],
  [/\b(Bearer|Basic)(\s+)[A-Za-z0-9._~+/=-]{16,}/gi, `$1$2${mark}`],
  [/\beyJ[\w-]{10,}(?:\.[\w-]*)*/g, mark],
  [/(\b[a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/?#@"']{1,256}@/gi, `$1${mark}@`],
]

const decode = Option.liftThrowable(decodeURIComponent)
const encode = Option.liftThrowable(encodeURIComponent)

/** Each form that a server may repeat a secret in. The longest is first, so that none leaves a part of another. */
const formsOf = (secrets: Secrets): ReadonlyArray<string> => {
  const texts = secrets.map(Redacted.value).flatMap((text) => [text, ...Option.toArray(decode(text))])
  const all = texts.flatMap((text) => [text, ...Option.toArray(encode(text)), JSON.stringify(text).slice(1, -1)])
  return [...new Set(all)].filter(({ length }) => length >= shortest).toSorted((a, b) => b.length - a.length)
}

/** Base64 takes three bytes at a time, so that a shorter part of it is found in too many words. */
const shortestBase64 = 8

/** The parts of a secret's base64 that are the same whatever stands before and behind the secret, as in `user:secret`. */
const base64FormsOf = (secrets: Secrets): ReadonlyArray<string> => {
  const inner = secrets.map(Redacted.value).flatMap((text) => {
    const bytes = new TextEncoder().encode(text)
    return [0, 1, 2].map((start) => bytes.subarray(start, bytes.length - ((bytes.length - start) % 3)))
  })
  const encoded = inner.flatMap((bytes) => [Base64.encode(bytes), Base64Url.encode(bytes)])
  const all = encoded.flatMap((text) => [text, ...Option.toArray(encode(text))])
  return [...new Set(all)].filter(({ length }) => length >= shortestBase64)
}

/** Remembers what is computed of secrets for as long as they are used: each header of an answer is searched for all of them. */
const perSecrets = <A>(compute: (secrets: Secrets) => A): ((secrets: Secrets) => A) => {
  const known = new WeakMap<Secrets, A>()
  return (secrets) => {
    const found = known.get(secrets) ?? compute(secrets)
    known.set(secrets, found)
    return found
  }
}

/** One list, whose forms are computed once: no secret is as short as most headers. */
const none: Secrets = []

const forms = perSecrets(formsOf)
const base64Forms = perSecrets(base64FormsOf)

const isOfWord = (character: string): boolean => /[\w+/=%-]/.test(character)

/** The text with a mark in place of each word that holds the part: what stands beside it has the secret's other bytes. */
const withoutWords = (text: string, part: string): string => {
  const kept: Array<string> = []
  let from = 0
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, from)) {
    let [start, end] = [at, at + part.length]
    while (start > from && isOfWord(text.charAt(start - 1))) start--
    while (end < text.length && isOfWord(text.charAt(end))) end++
    kept.push(text.slice(from, start), mark)
    from = end
  }
  return [...kept, text.slice(from)].join("")
}

/**
 * The secrets that a text is long enough for. A link and its signature are longer than most headers, and computing the forms
 * of each new link would cost more than all else that is done with its answer.
 */
const fitting = (secrets: Secrets, isShortEnough: (secret: string) => boolean): Secrets => {
  const fit = secrets.filter((secret) => isShortEnough(Redacted.value(secret)))
  if (fit.length === 0) return none
  return fit.length === secrets.length ? secrets : fit
}

/** The shortest form of a secret is the decoded one. */
const fittingForms = (secrets: Secrets, { length }: string) =>
  forms(fitting(secrets, (secret) => Option.getOrElse(decode(secret), () => secret).length <= length))

/** Four characters of base64 are three of a secret, without up to two at each of its ends. */
const fittingBase64Forms = (secrets: Secrets, { length }: string) =>
  base64Forms(fitting(secrets, (secret) => secret.length <= (length * 3) / 4 + 4))

/** Replaces each of the secrets, and what looks like one, with a mark. */
export const redact = (text: string, secrets: Secrets = []): string => {
  const known = fittingForms(secrets, text).reduce((rest, form) => rest.replaceAll(form, mark), text)
  const withoutBase64 = fittingBase64Forms(secrets, known).reduce(withoutWords, known)
  return looks.reduce((rest, [look, replacement]) => rest.replaceAll(look, replacement), withoutBase64)
}

/** Whether JSON may hold a secret: unchanged, or with escapes in it. */
const mayHold = (json: string, known: ReadonlyArray<string>): boolean =>
  ["\\u", "\\/", ...known].some((part) => json.includes(part))

/**
 * Returns the function that removes secrets from every text in the values of this JSON, names of members included. A value
 * without secrets is returned unchanged. What only looks like a secret stays: the address of a next page may.
 */
export const withoutSecrets = (secrets: Secrets, json: string): ((value: unknown) => unknown) => {
  const known = forms(secrets)
  // A page has 10,000 records: its whole text is searched once before any of them.
  return mayHold(json, known) ? (value) => redactValue(value, known) : identity
}

const redactValue = (value: unknown, known: ReadonlyArray<string>): unknown => {
  if (typeof value === "string") return redactKnown(value, known)
  if (Array.isArray(value)) {
    const items = value.map((item) => redactValue(item, known))
    return items.some((item, i) => item !== value[i]) ? items : value
  }
  if (!Predicate.isReadonlyObject(value)) return value
  const entries = Object.entries(value)
  const redacted = entries.map(([key, inner]) => [redactKnown(key, known), redactValue(inner, known)] as const)
  const isSame = redacted.every(([key, inner], i) => key === entries[i]?.[0] && inner === entries[i]?.[1])
  return isSame ? value : Object.fromEntries(redacted)
}

/** Most texts of a record are shorter than any token. */
const redactKnown = (text: string, known: ReadonlyArray<string>): string =>
  known.reduce(
    (rest, form) => (rest.length >= form.length && rest.includes(form) ? rest.replaceAll(form, mark) : rest),
    text,
  )

/** A body without secrets, whether it is JSON or not. One without secrets is returned unchanged. */
export const bodyWithoutSecrets = (secrets: Secrets, body: string): string => {
  const text = redactKnown(body, forms(secrets))
  const redact = withoutSecrets(secrets, text)
  if (redact === identity) return text
  const value = Option.getOrUndefined(parseJson(text))
  const redacted = redact(value)
  return redacted === value ? text : JSON.stringify(redacted)
}

/** Whether the text has a secret in it, so that it must not be stored. */
export const holdsSecret = (text: string, secrets: Secrets): boolean => redact(text, secrets) !== text

/** A text for an error. Secrets are removed before it is cut, because half of a secret is one as well. */
export const foreignText = (text: string, secrets: Secrets = [], limit = longest): string => {
  const line = oneLine(redact(text.slice(0, 64 * 1024), secrets))
  return line.length > limit ? `${line.slice(0, limit)}…` : line
}

/** The same of the members of an answer; those that are absent stay absent. */
export const foreignTexts = <A extends Readonly<Record<string, string | undefined>>>(
  texts: A,
  secrets: Secrets,
): { readonly [K in keyof A]?: string } => {
  const kept: { [K in keyof A]?: string } = {}
  for (const key in texts) {
    const text = texts[key]
    if (text !== undefined) kept[key] = foreignText(text, secrets)
  }
  return kept
}

/** The secrets of a link: its query, and by itself the signature in it, or the token of a link to a package. */
export const secretsOfLink = (link: Redacted.Redacted<string>): Secrets => {
  const url = Redacted.value(link)
  const query = url.slice(url.indexOf("?") + 1)
  const signature = /(?:^|&)(?:sig|token)=([^&]*)/.exec(query)?.[1] ?? ""
  return [link, Redacted.make(query), Redacted.make(signature)]
}
