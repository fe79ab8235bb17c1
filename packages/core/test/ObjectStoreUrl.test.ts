import { assert, describe, it } from "@effect/vitest"
import * as ObjectStoreUrl from "@live-response/core/ObjectStoreUrl"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

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
    Effect.sync(() => assert.deepStrictEqual({ ...Option.getOrThrow(ObjectStoreUrl.parse(url)) }, is)),
  )

  it.effect.each(
    [
      "",
      "results",
      "/mnt/results",
      "https://contoso.blob.core.windows.net/results?sv=1&sig=secret",
      "http://contoso.blob.core.windows.net/results",
      "https://example.com/results",
      "azure://contoso",
      "azure://contoso/",
      "azure://Contoso_1/results",
      "azure://contoso/UPPER",
      "azure://contoso/results/../other/a b",
      "azure://user:password@contoso/results",
      "azure://contoso:443/results",
      "azure://contoso/results?sig=secret",
      "azure://contoso/results?endpoint=http://example.com",
      "azure://contoso/results?client-id=a&client-id=b",
      "s3://results",
      "s3://results?region=eu central",
      "s3://results?region=eu-central-1#a",
      "s3://?region=eu-central-1",
      "file://host/share",
      "file:///mnt?a=b",
      "file:///mnt/%ff",
    ].map((url) => ({ url })),
  )("refuses '$url'", ({ url }) => Effect.sync(() => assert.isTrue(Option.isNone(ObjectStoreUrl.parse(url)))))
})
