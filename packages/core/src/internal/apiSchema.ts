/** Schemas of records in the API's own shape. They decode as `fromApi` of their module does. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"

/** The schema of a record. `what` is what an error says was expected, and `encode` keeps what identifies the record. */
export const decodedBy = <S extends Schema.Top>(
  model: S,
  what: string,
  fromApi: (value: unknown) => Result.Result<S["Type"], string>,
  encode: (record: S["Type"]) => unknown,
) =>
  Schema.Unknown.pipe(
    Schema.decodeTo(
      Schema.toType(model),
      SchemaTransformation.transformEffect({
        decode: (input: unknown) =>
          Result.match(fromApi(input), {
            onFailure: (problem) =>
              Effect.fail(new SchemaIssue.InvalidValue({ message: `Expected ${what}: ${problem}` }, input)),
            onSuccess: Effect.succeed,
          }),
        encode: (record) => Effect.succeed(encode(record)),
      }),
    ),
  )
