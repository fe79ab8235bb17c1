/**
 * Text that servers wrote, where it becomes part of an error or of a record: one line of bounded length without secrets. A
 * server may repeat the token, the link or the password that it was sent, and error pages of gateways do.
 */
import * as Base64 from "effect/encoding/Base64"
import * as Base64Url from "effect/encoding/Base64Url"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { oneLine } from "./text.ts"

export type Secrets = ReadonlyArray<Redacted.Redacted<string>>

/** Longer texts of servers say nothing more to a person. */
const longest = 1000

/** A shorter text is found in too many words: with it nothing could be read. */
const shortest = 4

const mark = "<redacted>"

/** What is a secret by its look: a signature, a bearer token, a JWT, a password in a URL. */
const looks: ReadonlyArray<readonly [RegExp, string]> = [
  [/(\bsig(?:=|%3D))[^&\s"'<>]+/gi, `$1${mark}`],
  [/\b(Bearer|Basic)(\s+)[A-Za-z0-9._~+/=-]{16,}/gi, `$1$2${mark}`],
  [/\beyJ[\w-]{10,}(?:\.[\w-]*)*/g, mark],
  [/(\b[a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/?#@"']{1,256}@/gi, `$1${mark}@`],
]

const decode = Option.liftThrowable(decodeURIComponent)
const encode = Option.liftThrowable(encodeURIComponent)

/** A secret in each form that a server may repeat it in. The longest is first, so that none leaves a part of another. */
const forms = (secrets: Secrets): ReadonlyArray<string> => {
  const texts = secrets.map(Redacted.value).flatMap((text) => [text, ...Option.toArray(decode(text))])
  const all = texts.flatMap((text) => [text, ...Option.toArray(encode(text)), JSON.stringify(text).slice(1, -1)])
  return [...new Set(all)].filter(({ length }) => length >= shortest).toSorted((a, b) => b.length - a.length)
}

/** Base64 takes three bytes at a time, so that a shorter part of it is found in too many words. */
const shortestBase64 = 8

/** The parts of a secret's base64 that are the same whatever stands before and behind the secret, as in `user:secret`. */
const base64Forms = (secrets: Secrets): ReadonlyArray<string> => {
  const inner = secrets.map(Redacted.value).flatMap((text) => {
    const bytes = new TextEncoder().encode(text)
    return [0, 1, 2].map((start) => bytes.subarray(start, bytes.length - ((bytes.length - start) % 3)))
  })
  const encoded = inner.flatMap((bytes) => [Base64.encode(bytes), Base64Url.encode(bytes)])
  const all = encoded.flatMap((text) => [text, ...Option.toArray(encode(text))])
  return [...new Set(all)].filter(({ length }) => length >= shortestBase64)
}

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

/** The text with a mark in place of each of the secrets, and of what looks like one. */
export const redact = (text: string, secrets: Secrets = []): string => {
  const known = forms(secrets).reduce((rest, form) => rest.replaceAll(form, mark), text)
  const withoutBase64 = base64Forms(secrets).reduce(withoutWords, known)
  return looks.reduce((rest, [look, replacement]) => rest.replaceAll(look, replacement), withoutBase64)
}

/** Whether JSON may hold a secret: as it is, or with escapes in it. */
const mayHold = (json: string, known: ReadonlyArray<string>): boolean =>
  ["\\u", "\\/", ...known].some((part) => json.includes(part))

/**
 * Makes the function that removes secrets from every text of the values that were read from this JSON, names of members
 * included. A value that holds none is given as it is. What merely looks like a secret stays: an address of a next page may.
 */
export const withoutSecrets = (secrets: Secrets, json: string): ((value: unknown) => unknown) => {
  const known = forms(secrets)
  // A page has 10,000 records: all of them are searched at once first.
  if (!mayHold(json, known)) return identity
  const clean = (value: unknown): unknown => {
    if (typeof value === "string") return known.reduce(replaced, value)
    if (Array.isArray(value)) {
      const items = value.map(clean)
      return items.some((item, n) => item !== value[n]) ? items : value
    }
    if (!Predicate.isReadonlyObject(value)) return value
    let isChanged = false
    const entries = Object.entries(value).map(([key, inner]) => {
      const entry = [known.reduce(replaced, key), clean(inner)] as const
      if (entry[0] !== key || entry[1] !== inner) isChanged = true
      return entry
    })
    return isChanged ? Object.fromEntries(entries) : value
  }
  return clean
}

/** Most texts of a record are shorter than any token. */
const replaced = (text: string, form: string): string =>
  text.length >= form.length && text.includes(form) ? text.replaceAll(form, mark) : text

/** Whether a secret is in the text, so that what the text stands for is not to be stored. */
export const holdsSecret = (text: string, secrets: Secrets): boolean => redact(text, secrets) !== text

/** A text for an error. Secrets are removed before it is cut: half of one is one. */
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

/** The secrets of a link: its query, and the signature in it by itself. */
export const secretsOfLink = (link: Redacted.Redacted<string>): Secrets => {
  const url = Redacted.value(link)
  const query = url.slice(url.indexOf("?") + 1)
  const signature = /(?:^|&)sig=([^&]*)/.exec(query)?.[1] ?? ""
  return [url, query, signature].map((text) => Redacted.make(text))
}
