import { assert, describe, it } from "@effect/vitest"
import * as ObjectStoreUrl from "@live-response/core/ObjectStoreUrl"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"

describe("ObjectStoreUrl.parse", () => {
  it.effect.each([
    {
      url: "azure://contoso/results",
      is: { _tag: "Azure", account: "contoso", container: "results", prefix: "" },
    },
    {
      url: "azure://contoso/results/tenants/eu/?client-id=1f6a&endpoint=https://contoso.blob.core.usgovcloudapi.net",
      is: {
        _tag: "Azure",
        account: "contoso",
        container: "results",
        prefix: "tenants/eu",
        clientId: "1f6a",
        endpoint: "https://contoso.blob.core.usgovcloudapi.net",
      },
    },
    {
      url: "https://contoso.blob.core.windows.net/results/a",
      is: {
        _tag: "Azure",
        account: "contoso",
        container: "results",
        prefix: "a",
        endpoint: "https://contoso.blob.core.windows.net",
      },
    },
    {
      url: "s3://live.response/a/b?region=eu-central-1",
      is: { _tag: "S3", bucket: "live.response", prefix: "a/b", region: "eu-central-1" },
    },
    {
      url: "s3://results?endpoint=http://127.0.0.1:9000",
      is: { _tag: "S3", bucket: "results", prefix: "", region: "us-east-1", endpoint: "http://127.0.0.1:9000" },
    },
    { url: "file:///mnt/live%20results", is: { _tag: "Directory", directory: "/mnt/live results" } },
    { url: "file:///C:/results", is: { _tag: "Directory", directory: "C:/results" } },
  ])("reads $url", ({ is, url }) =>
    Effect.sync(() => assert.deepStrictEqual({ ...Result.getOrThrow(ObjectStoreUrl.parse(url)) }, is)),
  )

  it.effect.each([
    { problem: "url", urls: ["", "results", "/mnt/results"] },
    {
      problem: "secret",
      urls: [
        "https://contoso.blob.core.windows.net/results?sv=1&sig=secret",
        "azure://user:secret@contoso/results",
        "azure://contoso/results?sig=secret",
        "s3://results?region=eu-central-1&X-Amz-Signature=secret",
      ],
    },
    { problem: "scheme", urls: ["http://contoso.blob.core.windows.net/results", "gs://results"] },
    { problem: "blob", urls: ["https://example.com/results", "https://contoso.blob.core.windows.net/"] },
    { problem: "container", urls: ["azure://contoso", "azure://contoso/", "azure://contoso/UPPER"] },
    { problem: "account", urls: ["azure://Contoso_1/results", "azure:///results"] },
    { problem: "prefix", urls: ["azure://contoso/results/../other/a b", "s3://results/a b?region=eu-central-1"] },
    { problem: "place", urls: ["azure://contoso:443/results", "s3://results?region=eu-central-1#a"] },
    {
      problem: "endpoint",
      urls: ["azure://contoso/results?endpoint=http://example.com", "s3://results?endpoint=http://a"],
    },
    {
      problem: "parameter",
      urls: ["azure://contoso/results?client-id=a&client-id=b", "s3://results?regoin=eu-central-1", "file:///mnt?a=b"],
    },
    { problem: "clientId", urls: ["azure://contoso/results?client-id="] },
    { problem: "region", urls: ["s3://results", "s3://results?region=eu central"] },
    { problem: "bucket", urls: ["s3://?region=eu-central-1"] },
    { problem: "directory", urls: ["file://host/share", "file:///mnt/%ff"] },
  ])("says that the problem is '$problem'", ({ problem, urls }) =>
    Effect.sync(() => {
      for (const url of urls) {
        const error = Result.getOrThrow(Result.flip(ObjectStoreUrl.parse(url)))
        assert.deepStrictEqual([url, error.problem], [url, problem])
        assert.notInclude(JSON.stringify([error, error.message]), "=secret")
      }
    }),
  )
})
