import * as Schema from "effect/Schema"

/** The largest index of a command. The names of files and the index of results have three digits for it. */
export const most = 999

export const schema = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: most }))
