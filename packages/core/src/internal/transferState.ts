import type { DownloadLink } from "../DownloadLink.ts"
import type { ResultHead, ResumePoint } from "../ResultChunk.ts"
import type { ResultRef } from "../ResultRef.ts"
import { Pace } from "./minimumRate.ts"

/** One transfer, through all its attempts. */
export class TransferState {
  readonly ref: ResultRef
  /** The current link, and when it was received by the monotonic clock. */
  link: { readonly link: DownloadLink; readonly receivedAt: number } | undefined
  /** How many links the API gave for this transfer. */
  links = 0
  /** What the storage announced of the bytes before `offset`. */
  head: ResultHead | undefined
  offset: number
  /** How fast bytes arrive. */
  readonly pace = new Pace()
  /** The largest offset that any attempt reached. */
  furthest = 0

  constructor(ref: ResultRef, resume: ResumePoint | undefined) {
    this.ref = ref
    this.head = resume?.head
    this.offset = resume?.offset ?? 0
    if (this.offset === 0) this.startOver()
  }

  startOver(): void {
    this.head = undefined
    this.offset = 0
  }

  get isComplete(): boolean {
    return this.head?.length !== undefined && this.head.length === this.offset
  }

  /** Whether the last attempt got further than all before it, and not too slowly. Call it once after each failure. */
  advanced(): boolean {
    const advanced = this.offset > this.furthest && !this.pace.isTooSlow
    this.pace.isTooSlow = false
    this.furthest = Math.max(this.furthest, this.offset)
    return advanced
  }
}

/** The ETag, if it is strong: a weak one does not promise that bytes are of the same content. */
export const strongEtag = (head: ResultHead | undefined): string | undefined =>
  head?.etag?.startsWith("W/") === true ? undefined : head?.etag
