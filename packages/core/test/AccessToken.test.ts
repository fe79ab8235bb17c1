import { assert, describe, it } from "@effect/vitest"
import * as AccessToken from "@live-response/core/AccessToken"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { tokenOf } from "./support/tokens.ts"

describe("AccessToken", () => {
  const claims: AccessToken.Claims = {
    tid: "e0a8f26e-8b12-4ee4-9ac9-4a4ecb3d1b8f",
    appid: "1f6a3c7a-6c2b-4f0e-b6b1-2c8f6d8f5c11",
    aud: "https://api.securitycenter.microsoft.com",
    roles: ["Machine.Read.All"],
    exp: 1_793_534_400,
  }

  it.effect("reads the claims of a token", () =>
    Effect.sync(() => {
      assert.deepStrictEqual(AccessToken.claims(tokenOf(claims)), Option.some(claims))
      assert.deepStrictEqual(AccessToken.claims(tokenOf({})), Option.some({}))
    }),
  )

  it.effect("reads claims in any script and of any length", () =>
    Effect.sync(() => {
      for (const upn of ["jörg@contoso.com", "ゆき@contoso.com", "a", "ab", "abc", "abcd", "???>>>"]) {
        assert.deepStrictEqual(AccessToken.claims(tokenOf({ upn })), Option.some({ upn }))
      }
    }),
  )

  it.effect("leaves out unknown claims", () =>
    Effect.sync(() => {
      assert.deepStrictEqual(
        AccessToken.claims(tokenOf(JSON.stringify({ tid: "contoso", nbf: 1, wids: ["a"] }))),
        Option.some({ tid: "contoso" }),
      )
    }),
  )

  it.effect.each([
    { name: "an opaque one", token: Redacted.make("an-opaque-token") },
    { name: "an empty one", token: Redacted.make("") },
    { name: "dots alone", token: Redacted.make("..") },
    { name: "one that is not in base64url", token: Redacted.make("a.{}.c") },
    { name: "one that is not JSON", token: tokenOf("claims") },
    { name: "one that is not an object", token: tokenOf("null") },
    { name: "a list", token: tokenOf("[]") },
  ])("has no claims where the token is $name", ({ token }) =>
    Effect.sync(() => {
      assert.deepStrictEqual(AccessToken.claims(token), Option.none())
    }),
  )

  it.effect.each<{ readonly odd: string; readonly claims: AccessToken.Claims }>([
    { odd: `"roles":"Machine.Read.All"`, claims: { roles: ["Machine.Read.All"] } },
    { odd: `"roles":["Machine.Read.All",5,null,{}]`, claims: { roles: ["Machine.Read.All", "5"] } },
    { odd: `"roles":{}`, claims: {} },
    { odd: `"roles":null`, claims: {} },
    { odd: `"scp":["Machine.Read","User.Read"]`, claims: { scp: "Machine.Read User.Read" } },
    { odd: `"exp":"tomorrow"`, claims: {} },
    { odd: `"exp":"1793534400"`, claims: { exp: 1_793_534_400 } },
    { odd: `"exp":1e999`, claims: {} },
    {
      odd: `"aud":["https://a.example","https://api.security.microsoft.com"]`,
      claims: { aud: "https://api.security.microsoft.com" },
    },
    { odd: `"aud":["https://a.example"]`, claims: { aud: "https://a.example" } },
    { odd: `"upn":{"a":1},"idtyp":[]`, claims: {} },
    { odd: `"__proto__":{"appid":"a"}`, claims: {} },
  ])("reads each claim by itself: $odd", ({ claims, odd }) =>
    Effect.sync(() => {
      assert.deepStrictEqual(
        AccessToken.claims(tokenOf(`{${odd},"tid":"contoso"}`)),
        Option.some({ ...claims, tid: "contoso" }),
      )
    }),
  )

  it.effect.prop(
    "reads arbitrary claims without a defect",
    [Schema.Json, Schema.Json, Schema.Json],
    ([roles, exp, aud]) =>
      Effect.sync(() => {
        const claims = Option.getOrThrow(
          AccessToken.claims(tokenOf(JSON.stringify({ tid: "contoso", roles, exp, aud }))),
        )
        assert.strictEqual(claims.tid, "contoso")
        assert.isArray(AccessToken.permissions(claims))
        assert.isArray(AccessToken.doubts(claims, DateTime.makeUnsafe(0)))
        AccessToken.expiry(claims)
      }),
  )

  it.effect.each<{
    readonly claims: AccessToken.Claims
    readonly kind: "app-only" | "delegated"
    readonly permissions: ReadonlyArray<string>
  }>([
    { claims: {}, kind: "app-only", permissions: [] },
    { claims: { roles: ["a", "b"] }, kind: "app-only", permissions: ["a", "b"] },
    { claims: { idtyp: "app", roles: ["a"], scp: "b" }, kind: "app-only", permissions: ["a"] },
    { claims: { scp: "a b" }, kind: "delegated", permissions: ["a", "b"] },
    { claims: { scp: " a  b ", roles: ["c"] }, kind: "delegated", permissions: ["a", "b"] },
    { claims: { idtyp: "user", scp: "a" }, kind: "delegated", permissions: ["a"] },
    { claims: { scp: "" }, kind: "delegated", permissions: [] },
  ])("reads the kind and the permissions of a token: $claims", ({ claims, kind, permissions }) =>
    Effect.sync(() => {
      assert.strictEqual(AccessToken.kind(claims), kind)
      assert.deepStrictEqual(AccessToken.permissions(claims), permissions)
    }),
  )

  it.effect("reads the app from either claim", () =>
    Effect.sync(() => {
      assert.strictEqual(AccessToken.app({ appid: "a" }), "a")
      assert.strictEqual(AccessToken.app({ azp: "b" }), "b")
      assert.isUndefined(AccessToken.app({}))
    }),
  )
})

describe("AccessToken.doubts", () => {
  const now = DateTime.makeUnsafe("2026-11-01T12:00:00Z")
  const seconds = DateTime.toEpochMillis(now) / 1000

  it.effect.each([
    { aud: undefined },
    { aud: "https://api.securitycenter.microsoft.com" },
    { aud: "https://api.securitycenter.microsoft.com/" },
    { aud: "https://securitycenter.microsoft.com" },
    { aud: "https://api.security.microsoft.com" },
    { aud: "https://eu.api.security.microsoft.com" },
    { aud: "https://api.securitycenter.windows.com" },
    { aud: "https://api-gcc.securitycenter.microsoft.us" },
    { aud: "https://api-gov.securitycenter.microsoft.us" },
    { aud: "fc780465-2017-40d4-a0c5-307022471b92" },
    { aud: "https://securitycenter.onmicrosoft.com/windowsatpservice" },
    { aud: "https://securitycenter.onmicrosoft.com/windowsatpservice/" },
  ])("do not include a token for $aud", ({ aud }) =>
    Effect.sync(() => {
      assert.deepStrictEqual(AccessToken.doubts(aud === undefined ? {} : { aud }, now), [])
    }),
  )

  it.effect.each([
    { aud: "https://graph.microsoft.com" },
    { aud: "00000003-0000-0000-c000-000000000000" },
    { aud: "https://management.azure.com/" },
    { aud: "https://securitycenter.onmicrosoft.com" },
    { aud: "https://securitycenter.onmicrosoft.com/windowsatpservice/other" },
    { aud: "https://securitycenter.microsoft.com.example.net" },
    { aud: "https://example.net/securitycenter.microsoft.com" },
    { aud: "https://notsecuritycenter.microsoft.com" },
    { aud: "http://api.securitycenter.microsoft.com" },
    { aud: "" },
  ])("include a token for '$aud'", ({ aud }) =>
    Effect.sync(() => {
      assert.deepStrictEqual(AccessToken.doubts({ aud }, now), [
        `the token is for ${aud}, which is not the Defender API: was it asked for with the right audience?`,
      ])
    }),
  )

  it.effect.each([
    { exp: seconds - 1, expired: true },
    { exp: 0, expired: true },
    { exp: seconds, expired: false },
    { exp: seconds + 3600, expired: false },
    { exp: 1e300, expired: false },
  ])("include a token that has expired by this machine's clock: $exp", ({ exp, expired }) =>
    Effect.sync(() => {
      const doubts = AccessToken.doubts({ exp }, now)
      assert.strictEqual(doubts.length, expired ? 1 : 0)
      if (!expired) return
      assert.strictEqual(
        doubts[0],
        `the token expired at ${DateTime.formatIso(DateTime.makeUnsafe(exp * 1000))}, by this machine's clock`,
      )
    }),
  )
})
