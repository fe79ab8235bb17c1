import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"

/** Up to seven digits of a second, with or without a zone: all are UTC. */
export const instant = (text: string | null | undefined): string | undefined =>
  text === null || text === undefined
    ? undefined
    : Option.getOrUndefined(
        Option.map(DateTime.make(/(Z|[+-]\d\d:\d\d)$/.test(text) ? text : `${text}Z`), DateTime.formatIso),
      )
