/** Reads the name that a result had on its machine. It is for display only, and never used as a path. */
import * as Option from "effect/Option"

/** The longest file name on common file systems, in characters. */
const longest = 255

/** The last part of a path of any system, without characters that control a terminal. */
const clean = (text: string): Option.Option<string> => {
  const name = (text.split(/[/\\]/).at(-1) ?? "").replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "").trim()
  return name === "" || name === "." || name === ".." ? Option.none() : Option.some(name.slice(0, longest))
}

const decodePercent = Option.liftThrowable(decodeURIComponent)

/** Reads the name from `Content-Disposition`: `filename*`, or else `filename`. */
export const fromDisposition = (header: string | undefined): Option.Option<string> => {
  const [, encoded] = /;\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]+)/i.exec(header ?? "") ?? []
  const [, quoted, plain] = /;\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i.exec(header ?? "") ?? []
  const extended = encoded === undefined ? Option.none() : Option.flatMap(decodePercent(encoded), clean)
  return Option.orElse(extended, () => clean(quoted ?? plain ?? ""))
}

const flags = { extra: 4, name: 8 }

/** How many first bytes of a gzip file include the name in its header, unless an extra field precedes it. */
export const gzipHeaderLength = 10 + longest + 1

/** Reads the name from the first bytes of a gzip file. RFC 1952 specifies Latin-1. */
export const fromGzip = (start: Uint8Array): Option.Option<string> => {
  const [id1, id2, method, flag = 0] = start
  if (id1 !== 0x1f || id2 !== 0x8b || method !== 8 || (flag & flags.name) === 0) return Option.none()
  const extra = (flag & flags.extra) === 0 ? 0 : 2 + (start[10] ?? 0) + (start[11] ?? 0) * 256
  const from = 10 + extra
  const end = start.indexOf(0, from)
  return end === -1 ? Option.none() : clean(String.fromCharCode(...start.subarray(from, end)))
}
