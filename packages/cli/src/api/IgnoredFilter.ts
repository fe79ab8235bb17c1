/**
 * Records that a list should not have: a gateway may remove the filter, and another server may ignore it.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type Failure, failed } from "../Failure.ts"

type Records = "actions" | "machines"

/** What happens at the end of a list from which records were left out. */
export type Response<E> = (records: Records, others: number) => Effect.Effect<void, E>

/** Warns of the records that were left out. */
export const warn: Response<never> = (records, others) =>
  Effect.logWarning(
    `the list has ${records} that do not match the selection, which are left out (${others}): the server ignores $filter; check --endpoint, and the gateway or proxy before it`,
  )

/**
 * Fails where the selection has a `--filter`, which only the server can check, and warns else. For commands that change what they
 * select.
 */
export const refuse =
  ({ filter }: { readonly filter: Option.Option<string> }): Response<Failure> =>
  (records, others) =>
    Option.isNone(filter)
      ? warn(records, others)
      : Effect.fail(
          failed(
            `the list has ${records} that do not match the selection (${others}): the server ignores $filter, so nobody knows which match --filter, and nothing was changed; check --endpoint, and the gateway or proxy before it`,
          ),
        )

/**
 * Fails where the server ignores `--filter`: `impossible` lists the records that match it and have an id that none has.
 * For commands that change what they select.
 */
export const check = <A, E, R>(
  records: Records,
  selection: { readonly filter: Option.Option<string> },
  impossible: (expression: string) => Stream.Stream<A, E, R>,
): Effect.Effect<void, E | Failure, R> =>
  Option.match(selection.filter, {
    onNone: () => Effect.void,
    onSome: (expression) =>
      Effect.flatMap(Stream.runHead(impossible(expression)), (found) =>
        Option.isNone(found) ? Effect.void : refuse(selection)(records, 1),
      ),
  })

/** Leaves out the records that do not match the filter, and responds to that once, at the end of the list. */
export const leaveOut =
  <A, E2>(records: Records, passes: (record: A) => boolean, respond: Response<E2>) =>
  <E, R>(list: Stream.Stream<A, E, R>): Stream.Stream<A, E | E2, R> =>
    Stream.suspend(() => {
      let others = 0
      return list.pipe(
        Stream.filter((record) => {
          const isAnswer = passes(record)
          if (!isAnswer) others++
          return isAnswer
        }),
        Stream.onEnd(Effect.suspend(() => (others === 0 ? Effect.void : respond(records, others)))),
      )
    })
