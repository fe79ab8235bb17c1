/** Ways to spoil an answer. */
import type { Answer, Spoil } from "./FaultServer.ts"

export const instead =
  (answer: Answer): Spoil =>
  () =>
    answer

export const cut =
  (after: number, by: "FIN" | "RST" | "silence" = "FIN"): Spoil =>
  (answer) => ({ ...answer, breaks: { after, by } })

export const without =
  (...names: ReadonlyArray<string>): Spoil =>
  (answer) => ({
    ...answer,
    headers: Object.fromEntries(Object.entries(answer.headers).filter(([name]) => !names.includes(name))),
  })

export const headers =
  (more: Readonly<Record<string, string>>): Spoil =>
  (answer) => ({ ...answer, headers: { ...answer.headers, ...more } })

/** Several, one after the other. */
export const all =
  (...spoils: ReadonlyArray<Spoil>): Spoil =>
  (answer, around) =>
    spoils.reduce((answer, spoil) => spoil(answer, around), answer)

/** The connection is closed before the head, or there is no answer at all. */
export const noHead =
  (by: "FIN" | "RST" | "silence"): Spoil =>
  (answer) => ({ ...answer, breaks: { after: "no head", by } })

/** Sends this text instead of the answer. */
export const raw =
  (text: string, body: Uint8Array = new Uint8Array()): Spoil =>
  () => ({ status: 200, headers: {}, body, raw: Buffer.concat([Buffer.from(text), body]) })

/** Has another body, with its length. */
export const body =
  (bytes: Uint8Array): Spoil =>
  (answer) => ({ ...answer, headers: { ...answer.headers, "content-length": String(bytes.length) }, body: bytes })

/** Has another status. */
export const status =
  (status: number): Spoil =>
  (answer) => ({ ...answer, status })

/** Announces more than it sends, and leaves the connection open. */
export const endless: Spoil = (answer) => ({
  ...answer,
  headers: { ...answer.headers, "content-length": String(answer.body.length + 1000) },
  breaks: { after: answer.body.length, by: "silence" },
})

/** Has more zeros after the body than any client should read of an error. */
export const vast: Spoil = (answer) => ({
  ...answer,
  headers: { ...answer.headers, "content-length": String(answer.body.length + padding) },
  padding,
})

const padding = 64 * 1024 * 1024
