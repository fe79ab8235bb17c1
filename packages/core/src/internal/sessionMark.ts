/**
 * The mark of a session: random digits in its comment, which no other session has. A program that lost the answer to its
 * request finds the session by its mark in the list of actions, and does not start it twice.
 */
import type * as Effect from "effect/Effect"
import type { MachineAction } from "../MachineAction.ts"
import { Session } from "../Session.ts"
import { randomHex } from "./randomHex.ts"

export const make: Effect.Effect<string> = randomHex(16)

/** The session with the mark in its comment. */
export const stamp = (session: Session, mark: string): Session =>
  Session.make({ ...session, comment: `${session.comment} [live-response ${mark}]` })

/** Whether a comment may have had the mark: the API left the comment out, or cut its end off. */
export const mayBeOn =
  (session: Session, mark: string) =>
  ({ requestorComment = "" }: MachineAction): boolean =>
    stamp(session, mark).comment.startsWith(requestorComment.trimEnd())

/** Whether the comment of an action has the mark. */
export const isOn =
  (mark: string) =>
  ({ requestorComment }: MachineAction): boolean =>
    requestorComment?.includes(mark) === true
