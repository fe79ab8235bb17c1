import { assert, describe, it } from "@effect/vitest"
import type * as AccessToken from "@live-response/core/AccessToken"
import * as Permission from "@live-response/core/Permission"
import * as Effect from "effect/Effect"

const app = (...roles: ReadonlyArray<string>): AccessToken.Claims => ({ roles })
const user = (scp: string): AccessToken.Claims => ({ scp })

describe("Permission.missing", () => {
  const { actions, results, run } = Permission

  it.effect.each<{ readonly name: string; readonly claims: AccessToken.Claims; readonly to: Permission.Permission }>([
    { name: "an app that reads, to results", claims: app("Machine.Read.All"), to: results },
    { name: "an app that writes, to results", claims: app("Alert.Read.All", "Machine.ReadWrite.All"), to: results },
    { name: "a user with live response, to results", claims: user("User.Read Machine.LiveResponse"), to: results },
    { name: "an app that reads, to actions", claims: app("Machine.Read.All"), to: actions },
    { name: "an app that writes, to actions", claims: app("Machine.ReadWrite.All"), to: actions },
    { name: "a user that reads, to actions", claims: user("Machine.Read"), to: actions },
    { name: "a user that writes, to actions", claims: user("Machine.ReadWrite"), to: actions },
    { name: "an app with live response, to run", claims: app("Machine.LiveResponse"), to: run },
    { name: "a user with live response, to run", claims: user("Machine.LiveResponse"), to: run },
    { name: "an app that says that it is one", claims: { idtyp: "app", ...app("Machine.Read.All") }, to: results },
  ])("is undefined for $name", ({ claims, to }) =>
    Effect.sync(() => {
      assert.isUndefined(Permission.missing(claims, to))
    }),
  )

  it.effect.each<{
    readonly name: string
    readonly claims: AccessToken.Claims
    readonly to: Permission.Permission
    readonly says: string
    readonly type: "application" | "delegated"
  }>([
    {
      name: "an app with live response alone, to results",
      claims: app("Machine.LiveResponse"),
      to: results,
      says: "the app's token lacks Machine.ReadWrite.All;",
      type: "application",
    },
    {
      name: "an app with a user's permission, to actions",
      claims: app("Machine.Read"),
      to: actions,
      says: "the app's token lacks Machine.ReadWrite.All;",
      type: "application",
    },
    {
      name: "an app that reads, to run",
      claims: app("Machine.Read.All", "Machine.ReadWrite.All"),
      to: run,
      says: "the app's token lacks Machine.LiveResponse;",
      type: "application",
    },
    {
      name: "an app without any",
      claims: {},
      to: results,
      says: "the app's token lacks Machine.ReadWrite.All;",
      type: "application",
    },
    {
      name: "an app with scopes, which are none of an app's",
      claims: { idtyp: "app", scp: "Machine.LiveResponse" },
      to: run,
      says: "the app's token lacks Machine.LiveResponse;",
      type: "application",
    },
    {
      name: "a user that reads, to results",
      claims: user("Machine.Read Machine.ReadWrite"),
      to: results,
      says: "the user's token lacks Machine.LiveResponse;",
      type: "delegated",
    },
    {
      name: "a user with roles, which are none of the app's",
      claims: { ...app("Machine.Read.All"), ...user("User.Read") },
      to: results,
      says: "the user's token lacks Machine.LiveResponse;",
      type: "delegated",
    },
    {
      name: "a user with live response alone, to actions",
      claims: user("Machine.LiveResponse"),
      to: actions,
      says: "the user's token lacks Machine.ReadWrite;",
      type: "delegated",
    },
    {
      name: "a user with a permission of a longer name",
      claims: user("Machine.ReadWriteX XMachine.Read machine.read"),
      to: actions,
      says: "the user's token lacks Machine.ReadWrite;",
      type: "delegated",
    },
    {
      name: "a user without any",
      claims: user(""),
      to: run,
      says: "the user's token lacks Machine.LiveResponse;",
      type: "delegated",
    },
  ])("names the permission, and where it is granted: $name", ({ claims, says, to, type }) =>
    Effect.sync(() => {
      const sentence = Permission.missing(claims, to) ?? ""
      assert.isTrue(sentence.startsWith(says), sentence)
      assert.include(sentence, `WindowsDefenderATP, as ${type} permission, with admin consent`)
    }),
  )

  it.effect.each([
    {
      permission: Permission.results,
      words: "Machine.ReadWrite.All (apps), or Machine.LiveResponse (users)",
    },
    {
      permission: Permission.actions,
      words: "Machine.ReadWrite.All (apps), or Machine.ReadWrite (users)",
    },
    { permission: Permission.run, words: "Machine.LiveResponse" },
  ])("has a description: $words", ({ permission, words }) =>
    Effect.sync(() => {
      assert.strictEqual(Permission.describe(permission), words)
    }),
  )
})

describe("Permission.doubt", () => {
  it("says that a permission of Microsoft's older pages may not suffice any more, and nothing of others", () => {
    const { actions, library, machines, results } = Permission
    assert.include(
      Permission.doubt(app("Machine.Read.All"), results) ?? "",
      "the app's token has Machine.Read.All, which may not suffice any more: Microsoft's newest page names Machine.ReadWrite.All;",
    )
    assert.include(Permission.doubt(user("Machine.Read"), actions) ?? "", "the user's token has Machine.Read, which")
    assert.isUndefined(Permission.doubt(app("Machine.ReadWrite.All"), results))
    assert.isUndefined(Permission.doubt(app("Machine.Read.All", "Machine.ReadWrite.All"), actions))
    assert.isUndefined(Permission.doubt(app("Machine.LiveResponse"), results))
    assert.isUndefined(Permission.doubt(app("Machine.Read.All"), machines))
    assert.isUndefined(Permission.doubt(app(), library))
  })
})
