/**
 * The machines of the API.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as Lenient from "./internal/lenient.ts"

/**
 * A machine.
 *
 * **Details**
 *
 * Its id is 40 hexadecimal digits. Its name is its DNS name (FQDN), in the case that the API uses. A machine that was set up
 * again has another id, and may have the same name.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/machine
 * @since 0.1.0
 * @category models
 */
export class Machine extends Schema.Class<Machine>("@live-response/core/Machine")({
  id: Schema.String,
  computerDnsName: Schema.optionalKey(Schema.String),
  lastSeen: Schema.optionalKey(Schema.DateTimeUtcFromString),
}) {}

/**
 * Decodes a machine in the API's own shape, or says in a few words why it can't be read. Only `id` is required; any other
 * member of an unexpected type is left out. It never throws.
 *
 * @example
 * ```ts
 * import * as Machine from "@live-response/core/Machine"
 * import * as Result from "effect/Result"
 *
 * const machine = Machine.fromApi({ id: "1e5bc9d7e413ddd7902c2932e418702b84d0cc07", computerDnsName: null })
 * console.log(Result.isSuccess(machine)) // true
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const fromApi = (value: unknown): Result.Result<Machine, string> => {
  const id = Lenient.member(value, "id")
  if (typeof id !== "string" || id === "") return Result.fail("it has no id")
  return Result.succeed(
    Machine.make({
      id,
      ...Lenient.present({
        computerDnsName: Lenient.text(Lenient.member(value, "computerDnsName")),
        lastSeen: Lenient.instant(Lenient.member(value, "lastSeen")),
      }),
    }),
  )
}

/**
 * The schema of a machine in the API's own shape, which decodes as `fromApi` does. It is for decoding alone.
 *
 * @example
 * ```ts
 * import * as Machine from "@live-response/core/Machine"
 * import * as Schema from "effect/Schema"
 *
 * const machine = Schema.decodeUnknownSync(Machine.FromApi)({
 *   id: "1e5bc9d7e413ddd7902c2932e418702b84d0cc07",
 *   computerDnsName: "mymachine1.contoso.com",
 *   lastSeen: "2018-08-02T14:55:03.7791856Z",
 * })
 * console.log(machine.computerDnsName) // mymachine1.contoso.com
 * ```
 *
 * @since 0.1.0
 * @category schemas
 */
export const FromApi = Schema.Unknown.pipe(
  Schema.decodeTo(
    Schema.toType(Machine),
    SchemaTransformation.transformEffect({
      decode: (input: unknown) =>
        Result.match(fromApi(input), {
          onFailure: (problem) =>
            Effect.fail(new SchemaIssue.InvalidValue({ message: `Expected a machine: ${problem}` }, input)),
          onSuccess: Effect.succeed,
        }),
      encode: ({ id }) => Effect.succeed({ id }),
    }),
  ),
)
