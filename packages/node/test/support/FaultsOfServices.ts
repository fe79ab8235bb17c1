/** Errors of the storage and of the API, and links that lead nowhere. */
import { gzipSync } from "node:zlib"
import * as DateTime from "effect/DateTime"
import { content, type Fault, half, otherContent, retries, size, times } from "./FaultMatrix.ts"
import { type Answer, expiredLink, error, httpDate, inMinutes, linkAnswer, type Spoil } from "./FaultServer.ts"
import { all, body, cut, endless, headers, instead, noHead, raw, vast, without } from "./FaultSpoils.ts"
import { patterned } from "./samples.ts"

/** An error in the API's shape. */
const apiError = (status: number, code: string, message = "", more: Answer["headers"] = {}): Answer => ({
  status,
  headers: { "content-type": "application/json", ...more },
  body: Buffer.from(JSON.stringify({ error: { code, message, target: "43f4cb08" } })),
})

const redirect: Spoil = (_, { elsewhere }) => ({
  ...error(302, "Moved"),
  headers: { location: `${elsewhere}/stolen?sig=a`, "content-length": "0" },
  body: new Uint8Array(),
})

/** The page of a web gateway. */
const blockPage =
  (status: number): Spoil =>
  () => {
    const body = Buffer.from("<!DOCTYPE html><title>Access blocked</title>")
    return {
      status,
      headers: { "content-type": "text/html", "content-length": String(body.length) },
      body,
      isPage: true,
    }
  }

/** Whole, and no byte was fetched twice. */
const atOnce = { fetched: size, asked: [0] }

/** Without a request to the storage. */
const never = { fetched: 0, asked: [] }

const zipped = new Uint8Array(gzipSync(content))

export const storage: ReadonlyArray<Fault> = [
  ...[400, 404, 409].map((status) => ({
    name: `${status} from the storage`,
    how: `${status}; asked once`,
    scripts: [{ blob: [instead(error(status, "No"))] }],
    expected: { outcomes: [`TransferError Refused ${status}`], fetched: 0, asked: [0] },
  })),
  {
    name: "407 from the storage",
    how: "407 for the second, and no proxy is in use; the others are whole",
    scripts: [{}, { blob: [instead(error(407, "No"))] }, { contents: [otherContent] }],
    expected: {
      outcomes: ["whole", "TransferError Refused 407", "whole"],
      fetched: size + otherContent.length,
      asked: [0, 0, 0],
      links: 3,
    },
  },
  ...[408, 429, 500, 502, 503, 504].map((status) => ({
    name: `${status} from the storage`,
    how: `${status} once`,
    scripts: [{ blob: [instead(error(status, "ServerBusy"))] }],
    expected: { fetched: size, asked: [0, 0] },
  })),
  {
    name: "503 in the middle",
    how: "cut half way, then 503 once",
    scripts: [{ blob: [cut(half), instead(error(503, "ServerBusy"))] }],
    expected: { fetched: size, asked: [0, half, half] },
  },
  {
    name: "a storage that stays busy",
    how: "503 for ever",
    scripts: [{ blob: times(20, instead(error(503, "ServerBusy"))) }],
    expected: { outcomes: ["TransferError Unavailable 503"], fetched: 0, asked: times(retries.transfer + 1, 0) },
  },
  {
    name: "an error of 64 MiB that is not retried",
    how: "404 with a vast body; its connection is closed",
    scripts: [{ blob: [all(instead(error(404, "BlobNotFound")), vast)] }],
    expected: { outcomes: ["TransferError Refused 404"], fetched: 0, asked: [0] },
  },
  {
    name: "an error of 64 MiB that goes away on retry",
    how: "503 with a vast body, once; its connection is closed",
    scripts: [{ blob: [all(instead(error(503, "ServerBusy")), vast)] }],
    expected: { fetched: size, asked: [0, 0] },
  },
  {
    name: "an expired link with a body of 64 MiB",
    how: "403 with a vast body, once; its connection is closed",
    scripts: [{ blob: [all(instead(expiredLink), vast)] }],
    expected: { fetched: size, links: 2, asked: [0, 0] },
  },
  {
    name: "a redirect of the storage",
    how: "302 to another server, which is not asked, once",
    scripts: [{ blob: [redirect] }],
    expected: { fetched: size, asked: [0, 0] },
  },
  {
    name: "a web gateway instead of the storage",
    how: "200 `text/html` with neither ETag nor `x-ms-request-id`, once",
    scripts: [{ blob: [blockPage(200)] }],
    expected: { fetched: size, asked: [0, 0] },
  },
  {
    name: "a web gateway whose page has no type",
    how: "the same without `Content-Type`, once",
    scripts: [{ blob: [all(blockPage(200), without("content-type"))] }],
    expected: { fetched: size, asked: [0, 0] },
  },
  {
    name: "a web gateway that stays",
    how: "the same for ever",
    scripts: [{ blob: times(20, blockPage(200)) }],
    expected: { outcomes: ["TransferError NotFromStorage 200"], fetched: 0, asked: times(retries.transfer + 1, 0) },
  },
  {
    name: "a web gateway in the middle",
    how: "cut half way, then the same once; the received bytes are resumed",
    scripts: [{ blob: [cut(half), blockPage(200)] }],
    expected: { fetched: size, asked: [0, half, half] },
  },
  {
    name: "a web gateway that forbids the download",
    how: "403 `text/html` without a mark of the storage, once; no link is renewed",
    scripts: [{ blob: [blockPage(403)] }],
    expected: { fetched: size, asked: [0, 0] },
  },
  {
    name: "a network that requires a sign-in",
    how: "511 once",
    scripts: [{ blob: [blockPage(511)] }],
    expected: { fetched: size, asked: [0, 0] },
  },
  ...["AuthorizationProtocolMismatch", "AccountIsDisabled"].map((code) => ({
    name: `a 403 that a new link does not change: ${code}`,
    how: `403 \`${code}\`; asked once, and no link is renewed`,
    scripts: [{ blob: [instead(error(403, code))] }],
    expected: { outcomes: ["TransferError Refused 403"], fetched: 0, asked: [0] },
  })),
  {
    name: "an error of the storage that never ends",
    how: "404, part of a body, then silence",
    scripts: [{ blob: [all(instead(error(404, "BlobNotFound")), endless)] }],
    expected: { outcomes: ["TransferError Refused 404"], fetched: 0, asked: [0] },
  },
  {
    name: "an encoding that was not requested",
    how: "`Content-Encoding: gzip`; the bytes are stored as served",
    scripts: [{ contents: [zipped], blob: [headers({ "content-encoding": "gzip" })] }],
    expected: { fetched: zipped.length, asked: [0] },
  },
  {
    name: "an encoding that was not requested, cut half way",
    how: "`Content-Encoding: gzip`, FIN after 200 bytes",
    scripts: [
      {
        contents: [zipped],
        blob: [all(headers({ "content-encoding": "gzip" }), cut(200)), headers({ "content-encoding": "gzip" })],
      },
    ],
    expected: { fetched: zipped.length, asked: [0, 200] },
  },
  {
    name: "an empty result",
    how: "no byte of content",
    scripts: [{ contents: [new Uint8Array()] }],
    expected: { fetched: 0, asked: [0] },
  },
  {
    name: "three results at once, each with a fault of its own",
    how: "an expired link; a cut half way; 503 once",
    scripts: [
      { blob: [instead(expiredLink)] },
      { contents: [otherContent], blob: [cut(otherContent.length / 2)] },
      { contents: [patterned(40_000, 9)], blob: [instead(error(503, "ServerBusy"))] },
    ],
    expected: {
      fetched: size + otherContent.length + 40_000,
      links: 4,
      asked: [0, 0, 0, otherContent.length / 2, 0, 0],
    },
  },
  {
    name: "one of three results is gone",
    how: "404 for the second; the others come",
    scripts: [{}, { blob: [instead(error(404, "BlobNotFound"))] }, { contents: [otherContent] }],
    expected: {
      outcomes: ["whole", "TransferError Refused 404", "whole"],
      fetched: size + otherContent.length,
      links: 3,
      asked: [0, 0, 0],
    },
  },
]

/** 429. The server reports a call that arrives within `wait` milliseconds. */
const throttle = (answer: Answer, wait: number): Answer => ({ ...answer, notBefore: wait })

const quotaExceeded = (message: string, more: Answer["headers"] = {}) =>
  apiError(429, "429", `API calls quota exceeded! ${message}`, more)

export const api: ReadonlyArray<Fault> = [
  {
    name: "401 from the API, once",
    how: "401; the token is renewed",
    scripts: [{ api: [instead(apiError(401, "Unauthorized"))] }],
    expected: { ...atOnce, calls: 2 },
  },
  {
    name: "401 from the API, twice",
    how: "401 for ever",
    scripts: [{ api: times(20, instead(apiError(401, "Unauthorized"))) }],
    expected: { ...never, outcomes: ["the batch ends: DefenderError Unauthorized 401"], links: 0, calls: 2 },
  },
  {
    name: "401 from the API, twice, for one of three results",
    how: "401 for ever for the second; the others come",
    scripts: [{}, { api: times(20, instead(apiError(401, "Unauthorized"))) }, {}],
    expected: {
      outcomes: ["whole", "DefenderError Unauthorized 401", "whole"],
      fetched: 2 * size,
      links: 2,
      calls: 4,
      asked: [0, 0],
    },
  },
  {
    name: "403 from the API",
    how: "403; asked once",
    scripts: [{ api: [instead(apiError(403, "Forbidden"))] }],
    expected: { ...never, outcomes: ["the batch ends: DefenderError Forbidden 403"], links: 0, calls: 1 },
  },
  {
    name: "400 from the API",
    how: "400; asked once",
    scripts: [{ api: [instead(apiError(400, "BadRequest"))] }],
    expected: { ...never, outcomes: ["DefenderError Refused 400"], links: 0, calls: 1 },
  },
  {
    name: "404 from the API",
    how: "404; asked once",
    scripts: [{ api: [instead(apiError(404, "ResourceNotFound"))] }],
    expected: { ...never, outcomes: ["DefenderError NotFound 404"], links: 0, calls: 1 },
  },
  {
    name: "429 with the seconds",
    how: "429 with `Retry-After: 1`; not asked sooner",
    scripts: [{ api: [instead(throttle(quotaExceeded("", { "retry-after": "1" }), 1000))] }],
    expected: { ...atOnce, calls: 2 },
  },
  {
    name: "429 with a date",
    how: "429 with `Retry-After: <date>`; not asked sooner",
    scripts: [
      {
        api: [
          () => {
            const now = DateTime.nowUnsafe()
            const until = DateTime.makeUnsafe(Math.ceil(DateTime.toEpochMillis(now) / 1000) * 1000 + 1000)
            const wait = Number(DateTime.toEpochMillis(until)) - DateTime.toEpochMillis(now)
            return throttle(quotaExceeded("", { "retry-after": httpDate(until) }), wait)
          },
        ],
      },
    ],
    expected: { ...atOnce, calls: 2 },
  },
  {
    name: "429 with the wait in words",
    how: "429, `You can send requests again in 1 seconds.`; not asked sooner",
    scripts: [{ api: [instead(throttle(quotaExceeded("You can send requests again in 1 seconds."), 1000))] }],
    expected: { ...atOnce, calls: 2 },
  },
  {
    name: "429 without a wait",
    how: "429 once; asked again after a while",
    scripts: [{ api: [instead(quotaExceeded(""))] }],
    expected: { ...atOnce, calls: 2 },
  },
  ...[408, 500, 502, 503, 504].map((status) => ({
    name: `${status} from the API`,
    how: `${status} once`,
    scripts: [{ api: [instead(apiError(status, "InternalError"))] }],
    expected: { ...atOnce, calls: 2 },
  })),
  {
    name: "an API in trouble",
    how: "500 for ever",
    scripts: [{ api: times(20, instead(apiError(500, "InternalError"))) }],
    expected: { ...never, outcomes: ["DefenderError Unavailable 500"], links: 0, calls: retries.api + 1 },
  },
  {
    name: "an API error of 64 MiB",
    how: "500 with a vast body, once; its connection is closed",
    scripts: [{ api: [all(instead(apiError(500, "InternalError")), vast)] }],
    expected: { ...atOnce, calls: 2 },
  },
  {
    name: "an error of the API that never ends",
    how: "404, part of a body, then silence",
    scripts: [{ api: [all(instead(apiError(404, "ResourceNotFound")), endless)] }],
    expected: { ...never, outcomes: ["DefenderError NotFound 404"], links: 0, calls: 1 },
  },
  ...[400, 403, 404, 407, 409].map((status) => ({
    name: `${status} from a gateway instead of the API`,
    how: `${status} with a page, for the second; the others are whole`,
    scripts: [{}, { api: [blockPage(status)] }, { contents: [otherContent] }],
    expected: {
      outcomes: ["whole", "DefenderError UnexpectedAnswer", "whole"],
      fetched: size + otherContent.length,
      asked: [0, 0],
      links: 2,
      calls: 3,
    },
  })),
  {
    name: "503 with a wait from the API",
    how: "503 with `Retry-After: 1`; not asked sooner",
    scripts: [{ api: [instead(throttle(apiError(503, "ServiceUnavailable", "", { "retry-after": "1" }), 1000))] }],
    expected: { ...atOnce, calls: 2 },
  },
  {
    name: "503 with an absurd wait from the API",
    how: "503 with `Retry-After` of 400 digits, once; it is as good as none",
    scripts: [{ api: [instead(apiError(503, "ServiceUnavailable", "", { "retry-after": "9".repeat(400) }))] }],
    expected: { ...atOnce, calls: 2 },
  },
  {
    name: "an API on a closed port",
    how: "a port without a server; the batch waits as long as its option says",
    endpoint: "http://127.0.0.1:1",
    expected: { ...never, outcomes: ["the batch ends: NetworkDown"], links: 0, calls: 0 },
  },
  {
    name: "an API that hangs up",
    how: "FIN in answer to the call, once",
    scripts: [{ api: [noHead("FIN")] }],
    expected: { ...atOnce, calls: 2 },
  },
  {
    name: "an API that resets",
    how: "RST in answer to the call, once",
    scripts: [{ api: [noHead("RST")] }],
    expected: { ...atOnce, calls: 2 },
  },
  {
    name: "an API that does not answer",
    how: "silence in answer to the call, once",
    scripts: [{ api: [noHead("silence")] }],
    impatient: true,
    expected: { ...atOnce, calls: 2 },
  },
  {
    name: "an API whose answer is cut",
    how: "FIN after 5 bytes, once",
    scripts: [{ api: [cut(5)] }],
    expected: { ...atOnce, calls: 2 },
  },
  {
    name: "an API whose answer stalls",
    how: "5 bytes, then silence, once",
    scripts: [{ api: [cut(5, "silence")] }],
    impatient: true,
    expected: { ...atOnce, calls: 2 },
  },
  {
    name: "an answer of the API that is not HTTP",
    how: "the greeting of an SSH server, once",
    scripts: [{ api: [raw("SSH-2.0-OpenSSH_9.6\r\n")] }],
    expected: { ...atOnce, calls: 2 },
  },
  {
    name: "an answer that is not JSON",
    how: "200 with the page of a proxy",
    scripts: [{ api: [body(Buffer.from("<html>Sign in to the network</html>"))] }],
    expected: { ...never, outcomes: ["DefenderError UnexpectedAnswer"], links: 0, calls: 1 },
  },
  {
    name: "an answer of 64 MiB",
    how: "200 with a vast body; its connection is closed",
    scripts: [{ api: [vast] }],
    expected: { ...never, outcomes: ["DefenderError UnexpectedAnswer"], links: 0, calls: 1 },
  },
  {
    name: "a redirect of the API",
    how: "302 to another server, which is not asked and gets no bearer",
    scripts: [{ api: [redirect] }],
    expected: { ...never, outcomes: ["DefenderError UnexpectedAnswer"], links: 0, calls: 1 },
  },
]

/** The API gives this link. */
const linkTo = (link: string) => instead(linkAnswer(link))

/** The link itself is wrong, so no host is called. */
const unusable = {
  expected: { ...never, outcomes: ["DefenderError LinkNotFollowed"], links: 0, calls: 1 },
}

/** There is no connection to the host of the link. */
const unreachable = { expected: { ...never, outcomes: ["the batch ends: NetworkDown"], links: 0, calls: 1 } }

export const destinations: ReadonlyArray<Fault> = [
  {
    name: "a link over http to another machine",
    how: "`http://192.0.2.1/`",
    scripts: [{ api: [linkTo("http://192.0.2.1/r?sig=a")] }],
    ...unusable,
  },
  {
    name: "a link to a file",
    how: "`file:///etc/passwd`",
    scripts: [{ api: [linkTo("file:///etc/passwd")] }],
    ...unusable,
  },
  {
    name: "a link that is empty",
    how: "an empty text",
    scripts: [{ api: [linkTo("")] }],
    ...unusable,
  },
  {
    name: "a link in quotes",
    how: 'quotes within the quotes, `"\\"http://…\\""`',
    scripts: [{ api: [(_, { link }) => linkAnswer(`"${link(inMinutes(30))}"`)] }],
    expected: atOnce,
  },
  {
    name: "a storage whose name is unknown",
    how: "`https://nowhere..invalid/`",
    // With an empty part, which the resolver of the system refuses without asking any name server.
    scripts: [{ api: [linkTo("https://nowhere..invalid/r?sig=a")] }],
    expected: { ...never, outcomes: ["TransferError Broken"], links: 0, calls: 1 },
  },
  {
    name: "a storage on a closed port",
    how: "a port without a server; the batch waits as long as its option says",
    scripts: [{ api: [linkTo("http://127.0.0.1:1/r?sig=a")] }],
    ...unreachable,
  },
  {
    name: "one of three results at a storage on a closed port",
    how: "a port without a server for the second; the others come",
    scripts: [{}, { api: [linkTo("http://127.0.0.1:1/r?sig=a")] }, {}],
    expected: {
      outcomes: ["whole", "TransferError Broken", "whole"],
      fetched: 2 * size,
      links: 2,
      calls: 3,
      asked: [0, 0],
    },
  },
  {
    name: "a storage without TLS, though the link is https",
    how: "an `https` link to a server that speaks http",
    scripts: [{ api: [(_, { link }) => linkAnswer(link(inMinutes(30)).replace("http:", "https:"))] }],
    expected: { ...never, outcomes: ["TransferError Broken"] },
  },
  {
    name: "a storage that is back in the next run",
    how: "a port without a server; run again",
    scripts: [{ api: [linkTo("http://127.0.0.1:1/r?sig=a")] }],
    runs: 2,
    expected: { fetched: size, asked: [0], links: 1, calls: 2 },
  },
]
