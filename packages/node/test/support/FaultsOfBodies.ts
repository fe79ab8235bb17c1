/** Bodies that are not what was requested or announced. */
import { content, type Fault, half, otherContent, retries, size, times } from "./FaultMatrix.ts"
import { error, md5, type Spoil } from "./FaultServer.ts"
import { patterned } from "./samples.ts"
import { all, body, cut, headers, instead, raw, status, without } from "./FaultSpoils.ts"

/** Cuts the body half way, and answers the request that resumes it like this. */
const resumedBy = (...spoils: ReadonlyArray<Spoil>) => [{ blob: [cut(half), ...spoils] }]

const range = (start: number, total: number) => headers({ "content-range": `bytes ${start}-${total - 1}/${total}` })

const wholeAgain = all(without("content-range"), status(200), body(content))

const asLong = patterned(size, 7)

const startedOver = { fetched: half + half + size, asked: [0, half, 0] }

export const ranges: ReadonlyArray<Fault> = [
  {
    name: "a storage that ignores ranges",
    how: "cut half way; the resuming request is answered with 200 and all",
    scripts: resumedBy(wholeAgain),
    expected: { fetched: half + size, asked: [0, half] },
  },
  {
    name: "a range that starts elsewhere",
    how: "cut half way; then 206 whose `Content-Range` starts at 100",
    scripts: resumedBy(range(100, size)),
    expected: startedOver,
  },
  {
    name: "a range of another whole",
    how: "cut half way; then 206 whose `Content-Range` has another total",
    scripts: resumedBy(range(half, size + 1)),
    expected: startedOver,
  },
  {
    name: "a range that does not say which",
    how: "cut half way; then 206 without `Content-Range`",
    scripts: resumedBy(without("content-range")),
    expected: startedOver,
  },
  {
    name: "a range that ends early",
    how: "cut half way; then 206 with a quarter, `Content-Length` as well",
    scripts: resumedBy(body(content.subarray(half, half + half / 2))),
    expected: { fetched: size, asked: [0, half, half + half / 2] },
  },
  {
    name: "a range that goes too far",
    how: "cut half way; then 206 with ten bytes more than are missing",
    scripts: resumedBy(body(Buffer.concat([content.subarray(half), new Uint8Array(10)]))),
    expected: { outcomes: ["TransferError Mismatch of length"], fetched: size + 10, asked: [0, half] },
  },
  {
    name: "a range, where the whole was requested",
    how: "206 with the second half",
    scripts: [
      {
        blob: [all(status(206), body(content.subarray(half)), range(half, size))],
      },
    ],
    expected: { fetched: half + size, asked: [0, 0] },
  },
  {
    name: "a result replaced in progress",
    how: "cut half way; the content, its length and its ETag are others now: 412",
    scripts: [{ contents: [content, otherContent], blob: [cut(half)] }],
    expected: { fetched: half + otherContent.length, asked: [0, half, 0] },
  },
  {
    name: "a result replaced by one as long, and a storage that ignores `If-Match`",
    how: "cut half way; then 206 with the rest of the other content, under its own ETag",
    scripts: [
      {
        contents: [content, asLong],
        blob: [
          cut(half),
          all(status(206), body(asLong.subarray(half)), range(half, size), headers({ etag: '"other"' })),
        ],
      },
    ],
    expected: startedOver,
  },
  {
    name: "a result that shrank in progress",
    how: "cut half way; 416",
    scripts: resumedBy(instead(error(416, "InvalidRange"))),
    expected: { fetched: half + size, asked: [0, half, 0] },
  },
  {
    name: "a result of unknown length, cut behind its last byte",
    how: "in chunks, without the last one; the resuming request is beyond the end: 416",
    scripts: [{ blob: [all(without("content-length"), cut(size))] }],
    expected: { fetched: 2 * size, asked: [0, size, 0] },
  },
  {
    name: "a body in chunks",
    how: "no `Content-Length`",
    scripts: [{ blob: [without("content-length")] }],
    expected: { fetched: size, asked: [0] },
  },
  {
    name: "a body in chunks, cut half way",
    how: "no `Content-Length`, FIN",
    scripts: [{ blob: [all(without("content-length"), cut(half))] }],
    expected: { fetched: size, asked: [0, half] },
  },
  {
    name: "no ETag, cut half way",
    how: "FIN; nothing shows whether the rest is of the same content",
    scripts: [{ blob: [all(without("etag"), cut(half))] }],
    expected: { fetched: half + size, asked: [0, 0] },
  },
  {
    name: "a weak ETag, cut half way",
    how: 'FIN; `W/"1"` does not promise the same bytes',
    scripts: [{ blob: [all(headers({ etag: 'W/"1"' }), cut(half))] }],
    expected: { fetched: half + size, asked: [0, 0] },
  },
  {
    name: "no ETag, cut half way for ever",
    how: "FIN",
    scripts: [{ blob: times(20, all(without("etag"), cut(half))) }],
    expected: {
      outcomes: ["TransferError Broken"],
      fetched: (retries.transfer + 1) * half,
      asked: times(retries.transfer + 1, 0),
    },
  },
]

/** Announces this of 60,000 bytes. */
const announced = (length: number) => headers({ "content-length": String(length) })

const closing = (bytes: Uint8Array) =>
  raw(["HTTP/1.1 200 OK", "Connection: close", `Content-MD5: ${md5(content)}`, "", ""].join("\r\n"), bytes)

const closingUnannounced = (bytes: Uint8Array) =>
  raw(["HTTP/1.1 200 OK", "Connection: close", 'ETag: "0x1"', "", ""].join("\r\n"), bytes)

const tooLong = all(announced(size + 10), cut(size))

export const announcements: ReadonlyArray<Fault> = [
  {
    name: "ten bytes fewer announced than sent",
    how: "`Content-Length` of 59,990; nothing else shows the right length",
    scripts: [{ blob: [announced(size - 10)] }],
    arrives: content.subarray(0, size - 10),
    expected: { fetched: size, asked: [0] },
  },
  {
    name: "the same, with an MD5 of all",
    how: "`Content-Length` of 59,990, `Content-MD5`",
    scripts: [{ blob: [all(announced(size - 10), headers({ "content-md5": md5(content) }))] }],
    expected: { outcomes: ["TransferError Mismatch of md5"], fetched: size, asked: [0] },
  },
  {
    name: "ten bytes more announced than sent, once",
    how: "`Content-Length` of 60,010, FIN after 60,000; the resuming request is beyond the end: 416",
    scripts: [{ blob: [tooLong] }],
    expected: { fetched: 2 * size, asked: [0, size, 0] },
  },
  {
    name: "a length that no number holds, once",
    how: "`Content-Length` of 2^53, FIN after 60,000; the resuming request is beyond the end: 416",
    scripts: [{ blob: [all(announced(2 ** 53), cut(size))] }],
    expected: { fetched: 2 * size, asked: [0, size, 0] },
  },
  {
    name: "ten bytes more announced than sent, always",
    how: "`Content-Length` of 60,010, FIN after 60,000",
    scripts: [{ blob: times(30, (answer, around) => (answer.status === 200 ? tooLong(answer, around) : answer)) }],
    expected: {
      outcomes: ["TransferError Broken"],
      fetched: (retries.transfer + 1) * size,
      asked: [0, ...times(retries.transfer, [size, 0]).flat()],
    },
  },
  {
    name: "a body that ends with its connection",
    how: "no `Content-Length`, no chunks, `Content-MD5`",
    scripts: [{ blob: [closing(content)] }],
    expected: { fetched: size, asked: [0] },
  },
  {
    name: "the same, cut half way",
    how: "no `Content-Length`, no chunks, `Content-MD5`; FIN half way",
    scripts: [{ blob: [closing(content.subarray(0, half))] }],
    expected: { outcomes: ["TransferError Mismatch of md5"], fetched: half, asked: [0] },
  },
  {
    name: "a body that ends with its connection, without an MD5",
    how: "no `Content-Length`, no chunks, no `Content-MD5`; nothing shows whether it is all",
    scripts: [{ blob: [closingUnannounced(content)] }],
    expected: { outcomes: ["unchecked"], fetched: size, asked: [0] },
  },
  {
    name: "a body that ends with its connection, without an MD5, cut half way",
    how: "no `Content-Length`, no chunks, no `Content-MD5`; FIN half way, which nothing shows",
    scripts: [{ blob: [closingUnannounced(content.subarray(0, half))] }],
    arrives: content.subarray(0, half),
    expected: { outcomes: ["unchecked"], fetched: half, asked: [0] },
  },
  {
    name: "an MD5 that is right",
    how: "`Content-MD5`",
    scripts: [{ blob: [headers({ "content-md5": md5(content) })] }],
    expected: { fetched: size, asked: [0] },
  },
  {
    name: "an MD5 that is wrong",
    how: "`Content-MD5` of other content",
    scripts: [{ blob: times(20, headers({ "content-md5": md5(otherContent) })) }],
    expected: { outcomes: ["TransferError Mismatch of md5"], fetched: size, asked: [0] },
  },
  {
    name: "the blob's MD5, wrong, on the whole",
    how: "`x-ms-blob-content-md5` of other content on a 200",
    scripts: [{ blob: times(20, headers({ "x-ms-blob-content-md5": md5(otherContent) })) }],
    expected: { outcomes: ["TransferError Mismatch of md5"], fetched: size, asked: [0] },
  },
  {
    name: "an MD5 that is right after a cut",
    how: "`Content-MD5`, FIN half way, `x-ms-blob-content-md5` on the 206",
    scripts: [
      {
        blob: [
          all(headers({ "content-md5": md5(content) }), cut(half)),
          headers({ "x-ms-blob-content-md5": md5(content) }),
        ],
      },
    ],
    expected: { fetched: size, asked: [0, half] },
  },
  {
    name: "an MD5 that is wrong after a cut",
    how: "`Content-MD5` of other content, FIN half way",
    scripts: [{ blob: [all(headers({ "content-md5": md5(otherContent) }), cut(half))] }],
    expected: { outcomes: ["TransferError Mismatch of md5"], fetched: size, asked: [0, half] },
  },
  {
    name: "an MD5 that is right, only on the 206",
    how: "FIN half way, `x-ms-blob-content-md5` on the 206",
    scripts: resumedBy(headers({ "x-ms-blob-content-md5": md5(content) })),
    expected: { fetched: size, asked: [0, half] },
  },
  {
    name: "an MD5 that is wrong, only on the 206",
    how: "FIN half way, `x-ms-blob-content-md5` of other content on the 206",
    scripts: resumedBy(headers({ "x-ms-blob-content-md5": md5(otherContent) })),
    expected: { outcomes: ["TransferError Mismatch of md5"], fetched: size, asked: [0, half] },
  },
]
