import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** Decodes the rows of a statement of ours. Another form is a bug, because the schema has its version. */
export const rowsOf = <A, I>(schema: Schema.Codec<A, I>) => {
  const decode = Schema.decodeUnknownEffect(Schema.Array(schema))
  return (rows: unknown): Effect.Effect<ReadonlyArray<A>> => Effect.orDie(decode(rows))
}
