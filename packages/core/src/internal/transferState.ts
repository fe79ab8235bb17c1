import type { DownloadLink } from "../DownloadLink.ts"
import type { ResultHead, ResumePoint } from "../ResultChunk.ts"
import { Pace } from "./pace.ts"

/** What is known of one transfer, through all the attempts that it is made of. */
export class TransferState {
  link: { readonly link: DownloadLink; readonly since: number } | undefined
  links = 0
  head: ResultHead | undefined
  offset: number
  /** How fast its bytes have come of late. */
  readonly pace = new Pace()
  /** The furthest that any attempt came: who comes further has made progress. */
  furthest = 0

  constructor(resume: ResumePoint | undefined) {
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

  /** Whether an attempt came further than all before it, and not at a trickle. Asked once after each failure. */
  advanced(): boolean {
    const advanced = this.offset > this.furthest && !this.pace.isTooSlow
    this.pace.isTooSlow = false
    this.furthest = Math.max(this.furthest, this.offset)
    return advanced
  }
}

/** A weak ETag does not promise that bytes belong together. */
export const strongEtag = (head: ResultHead | undefined): string | undefined =>
  head?.etag?.startsWith("W/") === true ? undefined : head?.etag
