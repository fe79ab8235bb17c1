/** Links that expire, and connections that break or stall. */
import * as DateTime from "effect/DateTime"
import { content, type Fault, half, otherContent, retries, size, times } from "./FaultMatrix.ts"
import { expiredLink, error, httpDate, inMinutes, linkAnswer, type Spoil } from "./FaultServer.ts"
import { all, cut, headers, instead, noHead, raw } from "./FaultSpoils.ts"
import { patterned } from "./samples.ts"

const expired = instead(expiredLink)
const busy = instead(error(503, "ServerBusy"))

/** A link by a server whose clock is wrong by this many hours, valid for this many minutes. */
const linkBy =
  (hours: number, minutes: number): Spoil =>
  (_, { link }) => {
    const date = DateTime.startOf(inMinutes(hours * 60), "second")
    const answer = linkAnswer(link(DateTime.add(date, { minutes })))
    return { ...answer, headers: { ...answer.headers, date: httpDate(date) } }
  }

const tenth = size / 10

export const links: ReadonlyArray<Fault> = [
  {
    name: "a link expired before the first byte",
    how: "403 `AuthenticationFailed`",
    scripts: [{ blob: [expired] }],
    expected: { fetched: size, links: 2, asked: [0, 0] },
  },
  {
    name: "the same, from Azurite",
    how: "403 `AuthorizationFailure`",
    scripts: [{ blob: [instead({ ...error(403, "AuthorizationFailure"), killsLink: true })] }],
    expected: { fetched: size, links: 2, asked: [0, 0] },
  },
  {
    name: "a link expired between two ranges",
    how: "cut half way, then 403",
    scripts: [{ blob: [cut(half), expired] }],
    expected: { fetched: size, links: 2, asked: [0, half, half] },
  },
  {
    name: "links that expire after each tenth",
    how: "cut after a tenth and then 403, three times",
    scripts: [{ blob: [cut(tenth), expired, cut(tenth), expired, cut(tenth), expired] }],
    expected: { fetched: size, links: 4, asked: [0, 1, 1, 2, 2, 3, 3].map((n) => n * tenth) },
  },
  {
    name: "a new link that is refused as well",
    how: "403 for ever",
    scripts: [{ blob: times(20, expired) }],
    expected: { outcomes: ["TransferError LinkRefused 403"], fetched: 0, links: 2, asked: [0, 0] },
  },
  {
    name: "expired links and a busy storage in turn, for ever",
    how: "403, 503, 403, 503 and so on",
    scripts: [{ blob: times(10, [expired, busy]).flat() }],
    expected: {
      outcomes: ["TransferError Unavailable 503"],
      fetched: 0,
      links: retries.transfer + 2,
      asked: times(2 * (retries.transfer + 1), 0),
    },
  },
  {
    name: "a link that has expired by the server's clock",
    how: "`se` is the `Date` of the link's answer; cut half way",
    scripts: [{ api: [linkBy(0, 0)], blob: [cut(half)] }],
    expected: { fetched: size, links: 2, asked: [0, half] },
  },
  {
    name: "the same, with a server five hours ahead",
    how: "`Date` and `se` in five hours; cut half way",
    scripts: [{ api: [linkBy(5, 0)], blob: [cut(half)] }],
    expected: { fetched: size, links: 2, asked: [0, half] },
  },
  {
    name: "a server five hours ahead",
    how: "`Date` in five hours, `se` half an hour later; cut half way",
    scripts: [{ api: [linkBy(5, 30)], blob: [cut(half)] }],
    expected: { fetched: size, asked: [0, half] },
  },
  {
    name: "a server five hours behind",
    how: "`Date` five hours ago, `se` half an hour later; cut half way",
    scripts: [{ api: [linkBy(-5, 30)], blob: [cut(half)] }],
    expected: { fetched: size, asked: [0, half] },
  },
]

const large = patterned(3_000_000)

const cuts: ReadonlyArray<Fault> = [
  { name: "before the first byte", after: 0, asked: [0, 0] },
  { name: "after one byte", after: 1, asked: [0, 1] },
  { name: "half way", after: half, asked: [0, half] },
  { name: "before the last byte", after: size - 1, asked: [0, size - 1] },
].flatMap(({ after, asked, name }) => [
  {
    name: `a body cut ${name}`,
    how: `FIN after ${after.toLocaleString("en-US")} of 60,000 bytes`,
    scripts: [{ blob: [cut(after)] }],
    expected: { fetched: size, asked },
  },
  {
    name: `a connection reset ${name}`,
    how: `RST after ${after.toLocaleString("en-US")} of 60,000 bytes`,
    scripts: [{ blob: [cut(after, "RST")] }],
    expected: { fetched: size, asked },
  },
])

export const breaks: ReadonlyArray<Fault> = [
  ...cuts,
  {
    name: "a large body cut half way",
    how: "FIN after 1,500,000 bytes",
    scripts: [{ contents: [large], blob: [cut(large.length / 2)] }],
    expected: { fetched: large.length, asked: [0, large.length / 2] },
  },
  {
    name: "a connection lost before the head",
    how: "FIN in answer to the request",
    scripts: [{ blob: [noHead("FIN")] }],
    expected: { fetched: size, asked: [0, 0] },
  },
  {
    name: "a connection reset before the head",
    how: "RST in answer to the request",
    scripts: [{ blob: [noHead("RST")] }],
    expected: { fetched: size, asked: [0, 0] },
  },
  {
    name: "a head cut in the middle",
    how: "`HTTP/1.1 200 OK` and half a header, then FIN",
    scripts: [{ blob: [raw("HTTP/1.1 200 OK\r\nContent-Le")] }],
    expected: { fetched: size, asked: [0, 0] },
  },
  {
    name: "an answer that is not HTTP",
    how: "the greeting of an SSH server",
    scripts: [{ blob: [raw("SSH-2.0-OpenSSH_9.6\r\n")] }],
    expected: { fetched: size, asked: [0, 0] },
  },
  {
    name: "a head without end",
    how: "200 with a header of 100,000 bytes",
    scripts: [{ blob: [all(headers({ "x-long": "x".repeat(100_000) }), cut(0))] }],
    expected: { fetched: size, asked: [0, 0] },
  },
  {
    name: "a body cut nine times, with progress",
    how: "FIN after each tenth",
    scripts: [{ blob: times(9, cut(tenth)) }],
    expected: { fetched: size, asked: Array.from({ length: 10 }, (_, n) => n * tenth) },
  },
  {
    name: "a body cut at the same byte for ever",
    how: "FIN half way, then before the next byte, for ever",
    scripts: [{ blob: [cut(half), ...times(20, cut(0))] }],
    expected: {
      outcomes: ["TransferError Broken"],
      fetched: half,
      asked: [0, ...times(retries.transfer, half)],
    },
  },
  {
    name: "the same, and then the next run",
    how: "FIN half way, then 503 until given up; run again",
    scripts: [{ blob: [cut(half), ...times(retries.transfer, busy)] }],
    runs: 2,
    expected: { fetched: size, links: 2, asked: [0, ...times(retries.transfer + 1, half)] },
  },
  {
    name: "a result replaced between two runs",
    how: "FIN half way, then 503 until given up; other content; run again",
    scripts: [
      {
        contents: [...times(1 + retries.transfer, content), otherContent],
        blob: [cut(half), ...times(retries.transfer, busy)],
      },
    ],
    runs: 2,
    expected: { fetched: half + otherContent.length, links: 2, asked: [0, ...times(retries.transfer + 1, half), 0] },
  },
  {
    name: "a body that stalls",
    how: "half of it, then silence",
    scripts: [{ blob: [cut(half, "silence")] }],
    impatient: true,
    expected: { fetched: size, asked: [0, half] },
  },
  {
    name: "a body that stalls before its first byte",
    how: "the head, then silence",
    scripts: [{ blob: [cut(0, "silence")] }],
    impatient: true,
    expected: { fetched: size, asked: [0, 0] },
  },
  {
    name: "a body that stalls at the same byte for ever",
    how: "half of it, then silence, and silence after each head",
    scripts: [{ blob: [cut(half, "silence"), ...times(20, cut(0, "silence"))] }],
    impatient: true,
    expected: {
      outcomes: ["TransferError Stalled"],
      fetched: half,
      asked: [0, ...times(retries.transfer, half)],
    },
  },
  {
    name: "a storage that does not answer",
    how: "silence in answer to the request",
    scripts: [{ blob: [noHead("silence")] }],
    impatient: true,
    expected: { fetched: size, asked: [0, 0] },
  },
  {
    name: "a storage that does not answer the resuming request",
    how: "FIN half way, then silence in answer to the request",
    scripts: [{ blob: [cut(half), noHead("silence")] }],
    impatient: true,
    expected: { fetched: size, asked: [0, half, half] },
  },
]
