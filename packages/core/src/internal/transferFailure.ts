/** Makes the errors of a transfer, and says which of them are retried. */
import * as Redacted from "effect/Redacted"
import type { ApiError } from "../ApiError.ts"
import type { DownloadLink } from "../DownloadLink.ts"
import type { ResultRef } from "../ResultRef.ts"
import * as TransferError from "../TransferError.ts"
import type { Trouble } from "./connectionFailure.ts"
import type * as NetworkGate from "./networkGate.ts"
import type { TransferState } from "./transferState.ts"

export type DownloadError = TransferError.TransferError | ApiError

export const make = (ref: ResultRef, reason: TransferError.Reason): TransferError.TransferError =>
  new TransferError.TransferError({ result: String(ref), reason })

/** The connection broke, or was never made, where the transfer stands. */
export const broken = ({ offset, ref }: TransferState, { cause, description }: Trouble): TransferError.TransferError =>
  make(ref, new TransferError.Broken({ offset, description, ...(cause === undefined ? {} : { kind: cause }) }))

/** A connection error, which names the host where that is what is wrong. */
export const ofConnection = (
  state: TransferState,
  { url }: DownloadLink,
  trouble: Trouble,
): TransferError.TransferError =>
  trouble.isPrivate === true
    ? make(state.ref, new TransferError.LinkInvalid({ host: new URL(Redacted.value(url)).hostname }))
    : broken(state, trouble)

export const tooLong = ({ offset, ref }: TransferState, expected: number): TransferError.TransferError =>
  make(
    ref,
    new TransferError.Mismatch({
      what: "length",
      expected: `${expected} bytes`,
      actual: `at least ${offset} bytes`,
    }),
  )

export const tooLarge = (ref: ResultRef, limit: number, length?: number): TransferError.TransferError =>
  make(ref, new TransferError.TooLarge({ limit, ...(length === undefined ? {} : { length }) }))

const isTransferError = (error: unknown): error is TransferError.TransferError =>
  error instanceof TransferError.TransferError

export const isLinkRefused = (error: DownloadError): error is TransferError.TransferError =>
  isTransferError(error) && error.reason._tag === "LinkRefused"

/** Why there was no connection, if that is what failed. */
const unreachable = ({ reason }: TransferError.TransferError) => (reason._tag === "Broken" ? reason.kind : undefined)

/** The gate before a storage host has already waited for a connection: that is not retried. */
export const isRetried = (error: DownloadError): error is TransferError.TransferError =>
  isTransferError(error) && error.isRetryable && unreachable(error) === undefined

/** The storage said how long to wait. */
export const isBusy = ({ reason }: TransferError.TransferError): boolean =>
  reason._tag === "Unavailable" && reason.retryAfter !== undefined

/** How the gate before a storage host reads these errors. */
export const gateOptions: NetworkGate.Options<TransferError.TransferError> = {
  isMine: isTransferError,
  says: unreachable,
  summary: ({ reason }) => `the storage can't be reached${reason._tag === "Broken" ? ` (${reason.description})` : ""}`,
}
