/**
 * Records that a list should not have: a gateway may remove the filter, and another server may ignore it.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** Warns of records that were left out. */
export const warn = (records: "actions" | "machines", others: number): Effect.Effect<void> =>
  others === 0
    ? Effect.void
    : Effect.logWarning(
        `the list has ${records} that do not match the selection, which are left out (${others}): the server ignores $filter; check --endpoint, and the gateway or proxy before it`,
      )

/** Leaves out the records that do not match the filter, with one warning at the end of the list. */
export const leaveOut =
  <A>(records: "actions" | "machines", passes: (record: A) => boolean) =>
  <E, R>(list: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> =>
    Stream.suspend(() => {
      let others = 0
      return list.pipe(
        Stream.filter((record) => {
          const isAnswer = passes(record)
          if (!isAnswer) others++
          return isAnswer
        }),
        Stream.onEnd(Effect.suspend(() => warn(records, others))),
      )
    })
