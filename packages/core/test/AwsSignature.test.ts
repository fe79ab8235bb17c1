/** Signatures of S3, as Amazon's documentation has them. */
import { assert, describe, it } from "@effect/vitest"
import * as AwsSignature from "@live-response/core/AwsSignature"
import { Hasher } from "@live-response/core/Hasher"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { utf8 } from "./support/bytes.ts"

describe("the signature of S3", () => {
  const example = {
    keys: {
      accessKeyId: "AKIAIOSFODNN7EXAMPLE",
      secretAccessKey: Redacted.make("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    },
    host: "examplebucket.s3.amazonaws.com",
    now: DateTime.makeUnsafe("2013-05-24T00:00:00Z"),
  }
  it.effect.each([
    {
      what: "a range of an object",
      request: { method: "GET", pathname: "/test.txt", headers: { range: "bytes=0-9" } },
      signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    },
    {
      what: "an object that is stored",
      request: {
        method: "PUT",
        pathname: "/test$file.text",
        headers: { date: "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY" },
        body: utf8("Welcome to Amazon S3."),
      },
      signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    },
    {
      what: "a parameter without a value",
      request: { method: "GET", pathname: "/", query: { lifecycle: "" } },
      signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    },
    {
      what: "parameters",
      request: { method: "GET", pathname: "/", query: { prefix: "J", "max-keys": "2" } },
      signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    },
  ])("is Amazon's for $what", ({ request, signature }) =>
    Effect.gen(function* () {
      const { host, keys, now } = example
      const headers = AwsSignature.signedHeaders(yield* Hasher, keys, "us-east-1", { ...request, host }, now)
      assert.strictEqual(/Signature=(\w+)$/.exec(headers["authorization"] ?? "")?.[1], signature)
    }),
  )
})
