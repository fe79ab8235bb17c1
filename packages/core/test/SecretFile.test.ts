import { assert, describe, it } from "@effect/vitest"
import * as Credential from "@live-response/core/Credential"
import * as Platform from "@live-response/core/Platform"
import * as SecretFile from "@live-response/core/SecretFile"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { fileInfo } from "./support/fileInfo.ts"

const path = "/run/secrets/token"

const info = (mode: number, type: FileSystem.File.Type = "File") => fileInfo(8, { mode, type })

/** The log while the token of such a file is read three times. */
const warnings = Effect.fnUntraced(function* (file: FileSystem.File.Info, platform = Platform.posix()) {
  const logs: Array<string> = []
  const files = FileSystem.layerNoop({
    readFile: () => Effect.succeed(new TextEncoder().encode("token")),
    stat: () => Effect.succeed(file),
  })
  const logger = Logger.layer([Logger.make(({ message }) => logs.push(String(message)))])
  yield* Effect.flatMap(Credential.Credential, ({ token }) => Effect.repeat(token, { times: 2 })).pipe(
    Effect.provide(
      Credential.layerTokenFile(path).pipe(
        Layer.provide([files, Layer.succeed(Platform.Platform, platform)]),
        Layer.provide(logger),
      ),
    ),
  )
  return logs
})

describe("a token file", () => {
  it.effect.each([0o100_644, 0o640, 0o604, 0o620, 0o602, 0o666])(
    "causes one warning where others may open it: %o",
    (mode) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* warnings(info(mode)), [
          `${path} holds a secret, and others on this machine may open it: chmod 600 ${path}`,
        ])
      }),
  )

  it.effect.each([0o100_600, 0o400, 0o700])("causes no warning where its owner alone may open it: %o", (mode) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* warnings(info(mode)), [])
    }),
  )

  it.effect("causes no warning where root gives it to this user by a group, as Kubernetes and systemd do", () =>
    Effect.gen(function* () {
      const given = (mode: number, uid: number) => ({ ...info(mode), uid: Option.some(uid) })
      const runner = Platform.posix(65_532)
      assert.deepStrictEqual(yield* warnings(given(0o100_440, 0), runner), [])
      assert.lengthOf(yield* warnings(given(0o444, 0), runner), 1)
      assert.lengthOf(yield* warnings(given(0o460, 0), runner), 1)
      assert.lengthOf(yield* warnings(given(0o440, 65_532), runner), 1)
      assert.lengthOf(yield* warnings(given(0o440, 0), Platform.posix(0)), 1)
    }),
  )

  it.effect("causes no warning without modes, as on Windows, and where it is not a file", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* warnings(info(0o666), Platform.windows), [])
      assert.deepStrictEqual(yield* warnings(info(0o600, "File"), Platform.windows), [])
    }),
  )

  it.effect.each(["FIFO", "Directory", "CharacterDevice"] as const)("is not read where it is a %s", (type) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(warnings(info(0o600, type)))
      assert.strictEqual(error.message, `no credential; can't read the token file ${path} (it is not a regular file)`)
    }),
  )

  it("is named unless its name looks like a secret", () => {
    for (const shown of [
      "absent",
      "token.txt",
      "secrets/token",
      "/run/Secrets2/live-response/token",
      "./Token-2026-Production",
    ]) {
      assert.strictEqual(SecretFile.nameOf(shown), shown)
    }
    for (const secret of [
      "Kx18Q~aBcDeFgHiJkLmNoPqRsTuVwXyZ012345a",
      "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczovL2FwaSJ9.c2ln",
      "/k1K2k3K4k5K6k7K8k9K0k1K2k3K4k5K6k7K8k9K0==",
      "AKIA4711:aBc/dEf0",
    ]) {
      assert.strictEqual(
        SecretFile.nameOf(secret),
        "(a name that is not shown, because it looks like the secret itself)",
      )
    }
  })
})
