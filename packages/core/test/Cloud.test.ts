import { assert, describe, it } from "@effect/vitest"
import * as Cloud from "@live-response/core/Cloud"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"

/** The cloud that an environment chooses. */
const chosen = (env: Record<string, string>) =>
  Effect.provide(Cloud.config, ConfigProvider.layer(ConfigProvider.fromUnknown(env)))

const login = "https://login.microsoftonline.com"
const usLogin = "https://login.microsoftonline.us"
const audience = "https://api.securitycenter.microsoft.com"

describe("Cloud", () => {
  const table: ReadonlyArray<Cloud.Cloud & { readonly name: Cloud.Name }> = [
    { name: "commercial", base: "https://api.security.microsoft.com", authority: login, audience },
    { name: "us", base: "https://us.api.security.microsoft.com", authority: login, audience },
    { name: "eu", base: "https://eu.api.security.microsoft.com", authority: login, audience },
    { name: "uk", base: "https://uk.api.security.microsoft.com", authority: login, audience },
    { name: "au", base: "https://au.api.security.microsoft.com", authority: login, audience },
    { name: "swa", base: "https://swa.api.security.microsoft.com", authority: login, audience },
    { name: "ina", base: "https://ina.api.security.microsoft.com", authority: login, audience },
    { name: "aea", base: "https://aea.api.security.microsoft.com", authority: login, audience },
    {
      name: "gcc",
      base: "https://api-gcc.securitycenter.microsoft.us",
      authority: login,
      audience: "https://api-gcc.securitycenter.microsoft.us",
    },
    {
      name: "gcc-high",
      base: "https://api-gov.securitycenter.microsoft.us",
      authority: usLogin,
      audience: "https://api-gov.securitycenter.microsoft.us",
    },
    {
      name: "dod",
      base: "https://api-gov.securitycenter.microsoft.us",
      authority: usLogin,
      audience: "https://api-gov.securitycenter.microsoft.us",
    },
  ]

  it.effect.each(table)("has the addresses that Microsoft documents: $name", ({ name, ...cloud }) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(Cloud.clouds[name], cloud)
      assert.deepStrictEqual(yield* chosen({ LIVE_RESPONSE_CLOUD: name }), cloud)
    }),
  )

  it.effect("has one name for each cloud", () =>
    Effect.sync(() => {
      assert.deepStrictEqual([...Cloud.Name.literals].sort(), Object.keys(Cloud.clouds).sort())
      assert.deepStrictEqual(table.map(({ name }) => name).sort(), Object.keys(Cloud.clouds).sort())
    }),
  )

  it.effect("is the commercial cloud by default", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* chosen({}), Cloud.commercial)
      assert.deepStrictEqual(Cloud.commercial, Cloud.clouds.commercial)
    }),
  )

  const gov = Cloud.clouds["gcc-high"]
  const changed: Record<string, { readonly env: Record<string, string>; readonly cloud: Cloud.Cloud }> = {
    "its base": {
      env: { LIVE_RESPONSE_ENDPOINT: "https://gateway.example.net/defender" },
      cloud: { ...gov, base: "https://gateway.example.net/defender" },
    },
    "its base on this machine": {
      env: { LIVE_RESPONSE_ENDPOINT: "http://127.0.0.1:8080" },
      cloud: { ...gov, base: "http://127.0.0.1:8080" },
    },
    "its base as Microsoft's pages show it, with the path of each call": {
      env: { LIVE_RESPONSE_ENDPOINT: "https://api.security.microsoft.com/API/" },
      cloud: { ...gov, base: "https://api.security.microsoft.com" },
    },
    "its sign-in": {
      env: { AZURE_AUTHORITY_HOST: "https://login.example.net" },
      cloud: { ...gov, authority: "https://login.example.net" },
    },
    "its sign-in on this machine": {
      env: { AZURE_AUTHORITY_HOST: "http://localhost:8080/" },
      cloud: { ...gov, authority: "http://localhost:8080" },
    },
    "its audience": { env: { LIVE_RESPONSE_AUDIENCE: audience }, cloud: { ...gov, audience } },
    "an audience that is not an address": {
      env: { LIVE_RESPONSE_AUDIENCE: "fc780465-2017-40d4-a0c5-307022471b92" },
      cloud: { ...gov, audience: "fc780465-2017-40d4-a0c5-307022471b92" },
    },
    "all three, with slashes at their ends": {
      env: {
        LIVE_RESPONSE_ENDPOINT: "https://api.example.net/",
        AZURE_AUTHORITY_HOST: "https://login.example.net//",
        LIVE_RESPONSE_AUDIENCE: "https://audience.example.net/",
      },
      cloud: {
        base: "https://api.example.net",
        authority: "https://login.example.net",
        audience: "https://audience.example.net",
      },
    },
  }

  it.effect.each(Object.entries(changed))("can be replaced in part: %s", ([, { cloud, env }]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* chosen({ LIVE_RESPONSE_CLOUD: "gcc-high", ...env }), cloud)
    }),
  )

  it.effect.each([
    { variable: "LIVE_RESPONSE_ENDPOINT", value: "http://api.security.microsoft.com" },
    { variable: "LIVE_RESPONSE_ENDPOINT", value: "http://127.0.0.1.example.net" },
    { variable: "LIVE_RESPONSE_ENDPOINT", value: "api.security.microsoft.com" },
    { variable: "LIVE_RESPONSE_ENDPOINT", value: "file:///tmp" },
    { variable: "AZURE_AUTHORITY_HOST", value: "http://login.microsoftonline.com" },
    { variable: "AZURE_AUTHORITY_HOST", value: "login.microsoftonline.com" },
    { variable: "LIVE_RESPONSE_CLOUD", value: "mars" },
    { variable: "LIVE_RESPONSE_CLOUD", value: "GCC-High" },
    { variable: "LIVE_RESPONSE_CLOUD", value: "constructor" },
  ])(
    "rejects an unknown cloud and an address that no token should be sent to: $variable=$value",
    ({ value, variable }) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(chosen({ [variable]: value }))
        assert.strictEqual(error._tag, "ConfigError")
        assert.include(error.message, variable)
        if (variable !== "LIVE_RESPONSE_CLOUD") assert.include(error.message, "https")
        else for (const name of Cloud.Name.literals) assert.include(error.message, name)
      }),
  )
})
