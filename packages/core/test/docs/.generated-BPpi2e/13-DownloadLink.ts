// @effect-diagnostics globalConsole:off








































import * as DownloadLink from "@live-response/core/DownloadLink"

const link = DownloadLink.fromString("https://example.blob.core.windows.net/r/4ed5?se=2021-02-04T16%3A13%3A50Z&sig=a/b%3D")
console.log(String(link)) // the URL is redacted
