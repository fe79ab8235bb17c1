import { readFileSync } from "node:fs"
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as DownloadLink from "@live-response/core/DownloadLink"
import * as Arbitrary from "effect/Arbitrary"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** The example of Microsoft's documentation. */
const answer = readFileSync(new URL("fixtures/link-answer.txt", import.meta.url), "utf8")
const example =
  "https://core.windows.net/investigation-actions-data/ID/CustomPlaybookCommandOutput/4ed5e7807ad1fe59b00b664fe06a0f07?se=2021-02-04T16%3A13%3A50Z&sp=r&sv=2019-07-07&sr=b&sig=1dYGe9rPvUlXBPvYSmr6/OLXPY98m8qWqfIQCBbyZTY%3D"
const signature = "1dYGe9rPvUlXBPvYSmr6"

const read = (input: string) => Effect.fromOption(DownloadLink.fromString(input))
const urlOf = (input: string) => Effect.map(read(input), (link) => Redacted.value(link.url))

/** Characters of signatures, encoded and not. */
const piece = Arbitrary.schema(Schema.Literals(["a", "Z", "9", "/", "+", "=", "%2F", "%2f", "%2B", "%3D", "%20", "~"]))

describe("DownloadLink", () => {
  it.effect("reads Microsoft's example", () =>
    Effect.gen(function* () {
      const { value } = yield* Schema.decodeEffect(Schema.fromJsonString(Schema.Struct({ value: Schema.String })))(
        answer,
      )
      const link = yield* read(value)
      assert.strictEqual(Redacted.value(link.url), example)
      assert.deepStrictEqual(Option.map(link.expiresAt, DateTime.formatIso), Option.some("2021-02-04T16:13:50.000Z"))
    }),
  )

  it.effect.prop(
    "preserves the URL byte for byte",
    [Arbitrary.array(piece, { minLength: 1, maxLength: 40 })],
    ([pieces]) =>
      Effect.gen(function* () {
        const url = `https://example.blob.core.windows.net/r/%41?sp=r&sig=${pieces.join("")}&se=2021-02-04T16%3A13%3A50Z`
        assert.strictEqual(yield* urlOf(url), url)
      }),
  )

  it.effect.each([
    { input: `"${example}"` },
    { input: `""${example}""` },
    { input: ` "${example}"\r\n` },
    { input: `\t${example} ` },
  ])("removes quotes and spaces around it: $input", ({ input }) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* urlOf(input), example)
    }),
  )

  it.effect.each([
    { se: "se=2030-01-02T03%3A04%3A05Z", expires: "2030-01-02T03:04:05.000Z" },
    { se: "se=2030-01-02T03:04:05Z", expires: "2030-01-02T03:04:05.000Z" },
    { se: "se=2030-01-02T03%3A04%3A05.1234567Z", expires: "2030-01-02T03:04:05.123Z" },
  ])("decodes its expiry: $se", ({ expires, se }) =>
    Effect.gen(function* () {
      const link = yield* read(`https://example.net/r?sig=a&${se}`)
      assert.deepStrictEqual(Option.map(link.expiresAt, DateTime.formatIso), Option.some(expires))
    }),
  )

  it.effect.each([{ query: "" }, { query: "?se=soon" }, { query: "?se=" }])("may lack an expiry: $query", ({ query }) =>
    Effect.gen(function* () {
      const link = yield* read(`https://example.net/r${query}`)
      assert.isTrue(Option.isNone(link.expiresAt))
    }),
  )

  it.effect.each([
    { input: "http://127.0.0.1:10000/devstoreaccount1/r?sig=a" },
    { input: "http://127.8.9.1/r" },
    { input: "http://localhost:8080/r" },
    { input: "http://[::1]:8080/r" },
  ])("may be http on this machine: $input", ({ input }) =>
    Effect.gen(function* () {
      const link = yield* Effect.fromOption(DownloadLink.fromString(input, { from: "http://127.0.0.1:8080" }))
      assert.strictEqual(Redacted.value(link.url), input)
      // An API on the internet may not lead there.
      assert.isTrue(Option.isNone(DownloadLink.fromString(input, { from: "https://api.security.microsoft.com" })))
    }),
  )

  it.effect.each([
    "127.0.0.1",
    "2130706433",
    "0x7f.1",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "[::1]",
    "[::]",
    "[fd00::1]",
    "[fe80::1]",
    "[::ffff:10.0.0.1]",
    "localhost",
    "a.localhost",
    "printer.local",
    "metadata.google.internal",
  ])("does not lead to %s, unless the API is in a private network itself", (host) =>
    Effect.gen(function* () {
      const input = `https://${host}/r?sig=a`
      assert.isTrue(Option.isNone(DownloadLink.fromString(input)))
      assert.isTrue(Option.isNone(DownloadLink.fromString(input, { from: "https://api.security.microsoft.com" })))
      yield* Effect.fromOption(DownloadLink.fromString(input, { from: "https://10.0.0.7:8443" }))
    }),
  )

  it.effect.each([
    "11.0.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.169.0.1",
    "100.128.0.1",
    "[2603:1030::1]",
    "[::ffff:8.8.8.8]",
    "fd.example.net",
  ])("may lead to %s", (host) => Effect.asVoid(read(`https://${host}/r?sig=a`)))

  it.effect("is valid as long as the server says by its own clock", () =>
    Effect.gen(function* () {
      const issuedAt = DateTime.make("2021-02-04T15:43:50Z")
      const link = yield* Effect.fromOption(DownloadLink.fromString(example, { issuedAt }))
      assert.deepStrictEqual(Option.map(link.validFor, Duration.toMinutes), Option.some(30))
      assert.isTrue(Option.isNone((yield* read(example)).validFor))
    }),
  )

  it.effect("is valid for zero time, and never less, if it had expired when it was given", () =>
    Effect.gen(function* () {
      const issuedAt = DateTime.make("2021-02-04T17:00:00Z")
      const link = yield* Effect.fromOption(DownloadLink.fromString(example, { issuedAt }))
      assert.deepStrictEqual(Option.map(link.validFor, Duration.toMillis), Option.some(0))
    }),
  )

  it.effect.each([
    { input: "http://core.windows.net/r?sig=a" },
    { input: "http://127.0.0.1.example.net/r" },
    { input: "http://localhost.example.net/r" },
    { input: "http://example.net/127.0.0.1" },
    { input: "http://127.0.0.1@example.net/r" },
    { input: "http://[::2]/r" },
    { input: "http://0.0.0.0/r" },
    { input: "ftp://127.0.0.1/r" },
    { input: "file:///etc/passwd" },
    { input: "javascript:alert(1)" },
    { input: "/relative/r?sig=a" },
    { input: "core.windows.net/r" },
    { input: '""' },
    { input: "" },
  ])("refuses $input", ({ input }) =>
    Effect.sync(() => {
      assert.isTrue(Option.isNone(DownloadLink.fromString(input)))
    }),
  )

  it.effect("is redacted in every printed form", () =>
    Effect.gen(function* () {
      const link = yield* read(example)
      const printed = [
        String(link),
        `${link.url}`,
        JSON.stringify(link),
        JSON.stringify({ url: link.url }),
        inspect(link),
        inspect(link, { depth: 10, showHidden: true }),
        inspect([link.url]),
      ]
      for (const text of printed) {
        assert.notInclude(text, signature)
        assert.notInclude(text, "CustomPlaybookCommandOutput")
        assert.include(text, "redacted")
      }
    }),
  )
})

describe("DownloadLink.read", () => {
  const from = "https://api.security.microsoft.com"
  const problemOf = (host: string, options?: Parameters<typeof DownloadLink.read>[1]) =>
    Option.getOrUndefined(Result.getFailure(DownloadLink.read(`https://${host}/r?sig=a`, { from, ...options })))
      ?.problem

  it.effect.each([
    "[64:ff9b::7f00:1]",
    "[64:ff9b::a00:1]",
    "[64:ff9b:1::1]",
    "[2002:7f00:1::]",
    "[2002:808:808::1]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[ff02::1]",
    "[fec0::1]",
    "[fd00:ec2::254]",
    "[2001:db8::1]",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "255.255.255.255",
    "0.1.2.3",
    "017700000001",
    "localhost.",
    "fileserver",
    "fileserver.",
    "FileServer.CORP",
    "metadata.google.internal.",
    "1.0.0.127.in-addr.arpa",
  ])("does not lead to %s, even if any host is allowed", (host) =>
    Effect.sync(() => {
      assert.strictEqual(problemOf(host), "private")
      assert.strictEqual(problemOf(host, { hosts: "any" }), "private")
      // An API in a private network may lead there.
      assert.isUndefined(problemOf(host, { from: "https://10.0.0.7", hosts: [] }))
    }),
  )

  it.effect.each([
    "[64:ff9b::808:808]",
    "[::ffff:20.60.1.1]",
    "20.60.1.1",
    "[2603:1030::1]",
    "168.63.129.17",
    "a.net.",
  ])("may lead to %s if any host is allowed", (host) =>
    Effect.sync(() => assert.isUndefined(problemOf(host, { hosts: "any" }))),
  )

  it.effect.each([
    "core.windows.net",
    "automatedirstrprdneu.blob.core.windows.net",
    "AUTOMATEDIR.Blob.Core.Windows.NET",
    "a.blob.core.windows.net.",
    "a.z12.blob.storage.azure.net",
    "a.blob.core.usgovcloudapi.net",
    "api.security.microsoft.com",
    "results-eu.securitycenter.windows.com",
  ])("may lead to a storage host of Microsoft's clouds: %s", (host) =>
    Effect.sync(() => assert.isUndefined(problemOf(host, { hosts: DownloadLink.storageHosts }))),
  )

  it.effect.each([
    "evil.example.net",
    "core.windows.net.evil.example.net",
    "evilcore.windows.net",
    "core-windows.net",
    "windows.net",
    "20.60.1.1",
  ])("does not lead to another host: %s", (host) =>
    Effect.sync(() => {
      assert.strictEqual(problemOf(host, { hosts: DownloadLink.storageHosts }), "unknown")
      assert.isUndefined(problemOf(host, { hosts: ["contoso.com", host] }))
    }),
  )

  it.effect("may not contain a user or a password", () =>
    Effect.sync(() => {
      assert.strictEqual(problemOf("user:pass@core.windows.net"), "insecure")
      assert.strictEqual(problemOf("core.windows.net@evil.example.net"), "insecure")
    }),
  )

  it.effect.each([{ hosts: ["*.contoso.com"] }, { hosts: [".contoso.com"] }, { hosts: ["contoso.com."] }])(
    "may lead to the subdomains of an allowed host: $hosts",
    ({ hosts }) =>
      Effect.sync(() => {
        assert.isUndefined(problemOf("a.b.contoso.com", { hosts }))
        assert.strictEqual(problemOf("acontoso.com", { hosts }), "unknown")
      }),
  )
})
