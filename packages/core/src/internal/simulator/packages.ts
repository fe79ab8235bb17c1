/** The investigation packages of the simulator. Their links have a token, and do not lead to a blob storage. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { randomHex } from "../randomHex.ts"
import * as Archives from "./archives.ts"
import { apiError } from "./errors.ts"

/** The links by their token. */
export type Packages = Map<string, { readonly id: string; readonly expiresAt: number }>

const path = "/safedownload/WDATP_Investigation_Package.zip"

export const isPackagePath = (pathname: string): boolean => pathname === path

/** Microsoft names no time: the link is valid for a short one. */
const lifetime = Duration.toMillis("5 minutes")

/** A new link to the package of an action, between quotes as in Microsoft's sample. */
export const makeLink = Effect.fnUntraced(function* (self: Packages, id: string, origin: string, now: number) {
  const token = `${yield* randomHex(40)}/${yield* randomHex(40)}==`
  self.set(token, { id, expiresAt: now + lifetime })
  return `"${origin}${path}?token=${encodeURIComponent(token).toLowerCase()}"`
})

/** Serves a package, always from its first byte. */
export const serve = (self: Packages, url: URL, now: number) => {
  const link = self.get(url.searchParams.get("token") ?? "")
  if (link === undefined || link.expiresAt <= now) return apiError(403, "Forbidden", "The token is invalid or expired.")
  const content = new TextEncoder().encode(`The investigation package of machine action ${link.id}\r\n`)
  return HttpServerResponse.uint8Array(Archives.zip("Forensics Collection Summary.txt", content), {
    contentType: "application/zip",
    headers: { "content-disposition": "attachment; filename=WDATP_Investigation_Package.zip" },
  })
}
