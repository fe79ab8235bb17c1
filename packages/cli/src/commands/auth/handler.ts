/**
 * What `live-response auth check` does: shows who is signed in, and which commands the token suffices for.
 */
import * as AccessToken from "@live-response/core/AccessToken"
import * as Cloud from "@live-response/core/Cloud"
import { Credential } from "@live-response/core/Credential"
import * as Permission from "@live-response/core/Permission"
import * as NodeCredential from "@live-response/node/NodeCredential"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Failure from "../../Failure.ts"
import * as Format from "../../output/Format.ts"
import { printable, printableJson } from "../../output/Printable.ts"

/** The commands that call the API, and all that each needs. */
const commands: Readonly<Record<string, ReadonlyArray<Permission.Permission>>> = {
  download: [Permission.results],
  run: [Permission.run],
  "run --wait": [Permission.run, Permission.actions],
  "run --download": [Permission.run, Permission.actions, Permission.results],
  actions: [Permission.actions],
  "actions cancel": [Permission.run],
  machines: [Permission.machines],
  "collect-package": [Permission.packages],
  "collect-package --wait": [Permission.packages, Permission.actions],
  "collect-package --download": [Permission.packages, Permission.actions, Permission.packageLinks],
  library: [Permission.library],
}

export const check = Effect.fnUntraced(function* ({ json }: { readonly json: boolean }) {
  const cloud = yield* Cloud.config
  const token = yield* Effect.flatMap(Credential, ({ token }) => token).pipe(Effect.provide(NodeCredential.layerConfig))
  const now = yield* DateTime.now
  const claims = AccessToken.claims(token)
  const report = Option.getOrUndefined(Option.map(claims, (claims) => describe(claims, now)))

  yield* Console.log(
    json ? printableJson(JSON.stringify({ ...cloud, ...report })) : lines(cloud, report, now).map(printable).join("\n"),
  )
  if (report !== undefined && report.doubts.length > 0) {
    return yield* Failure.signIn(
      `signed in, but the API will not accept the token: ${report.doubts.map(printable).join("; ")}`,
    )
  }
  if (report !== undefined && !Object.values(report.commands).some(({ suffices }) => suffices)) {
    return yield* Failure.signIn(
      "signed in, but the token does not suffice for any command; standard output names the permissions to grant",
    )
  }
}, Effect.mapError(Failure.fromError))

/** The fewest permissions of which one of each of the alternatives is granted: first those that have no alternative. */
const fewest = (alternatives: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const chosen = new Set(alternatives.flatMap((names) => (names.length === 1 ? names : [])))
  for (const names of alternatives) {
    if (names.length > 0 && !names.some((name) => chosen.has(name))) chosen.add(names.join(" or "))
  }
  return [...chosen]
}

/** `undefined` where there is none. */
const orUndefined = (names: ReadonlyArray<string>) => (names.length === 0 ? undefined : names)

/** The permissions that are missing, and those that may be. */
const toGrant = (claims: AccessToken.Claims, permissions: ReadonlyArray<Permission.Permission>) => ({
  missing: orUndefined(fewest(permissions.map((permission) => Permission.lacking(claims, permission)))),
  maybeMissing: orUndefined(fewest(permissions.map((permission) => Permission.doubtful(claims, permission)))),
})

const describe = (claims: AccessToken.Claims, now: DateTime.Utc) => ({
  tenant: claims.tid,
  app: AccessToken.app(claims),
  user: claims.upn,
  token: AccessToken.kind(claims),
  permissions: AccessToken.permissions(claims),
  tokenAudience: claims.aud,
  expires: Option.getOrUndefined(AccessToken.expiry(claims)),
  doubts: AccessToken.doubts(claims, now),
  ...toGrant(claims, Object.values(commands).flat()),
  grantIn: Permission.whereToGrant(claims),
  commands: Object.fromEntries(
    Object.entries(commands).map(([name, permissions]) => {
      const granting = toGrant(claims, permissions)
      return [name, { suffices: granting.missing === undefined, ...granting }]
    }),
  ),
})

const labelWidth = Math.max("sign-in server".length, ...Object.keys(commands).map(({ length }) => length))

const row = (name: string, value: string | undefined) =>
  value === undefined ? [] : [`${name.padEnd(labelWidth)} ${value}`]

const verdict = ({ maybeMissing, missing }: ReturnType<typeof toGrant>): string => {
  if (missing !== undefined) return `not permitted: needs ${missing.join(", ")}`
  return maybeMissing === undefined
    ? "permitted"
    : `may be refused: Microsoft's newest page names ${maybeMissing.join(", ")} instead`
}

const lines = (
  cloud: Cloud.Cloud,
  report: ReturnType<typeof describe> | undefined,
  now: DateTime.Utc,
): ReadonlyArray<string> => {
  const where = [...row("API", cloud.base), ...row("sign-in server", cloud.authority)]
  if (report === undefined) return [...where, ...row("token", "not readable, so its permissions are unknown")]
  return [
    ...where,
    ...row("tenant", report.tenant),
    ...row("app", report.app),
    ...row("user", report.user),
    ...row("token", report.token),
    ...row(report.token === "app-only" ? "roles" : "scopes", report.permissions.join(", ") || "none"),
    ...row("audience", report.tokenAudience),
    ...row("expires", report.expires && expiry(report.expires, now)),
    ...report.doubts.flatMap((doubt) => row("warning", doubt)),
    ...Object.entries(report.commands).flatMap(([name, granting]) => row(name, verdict(granting))),
    ...row("missing", report.missing?.join(", ")),
    ...row("perhaps missing", report.maybeMissing?.join(", ")),
    ...row("grant them in", (report.missing ?? report.maybeMissing) && report.grantIn),
  ]
}

const expiry = (instant: DateTime.Utc, now: DateTime.Utc): string =>
  DateTime.isGreaterThan(instant, now)
    ? `${Format.dateAndTime(instant)}, in ${Format.duration(DateTime.distance(now, instant))}`
    : `${Format.dateAndTime(instant)}, expired`
