/**
 * Machines, as the API knows them.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { instant } from "./internal/instant.ts"

/**
 * A machine. Its id is 40 hexadecimal digits; its name is that of its DNS, in full. A machine that was set up anew has
 * another id, and maybe the same name.
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

const Answer = Schema.Struct({
  id: Schema.String,
  computerDnsName: Schema.optional(Schema.NullOr(Schema.String)),
  lastSeen: Schema.optional(Schema.NullOr(Schema.String)),
})

const fromAnswer = ({ computerDnsName, id, ...rest }: typeof Answer.Type): (typeof Machine)["Encoded"] => {
  const lastSeen = instant(rest.lastSeen)
  return {
    id,
    ...(typeof computerDnsName === "string" ? { computerDnsName } : {}),
    ...(lastSeen === undefined ? {} : { lastSeen }),
  }
}

/**
 * A machine in the API's own shape, with its nulls and times of up to seven digits. It is read and never written.
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
export const FromApi = Answer.pipe(
  Schema.decodeTo(
    Machine,
    SchemaTransformation.transformEffect({
      decode: (answer: typeof Answer.Type) => Effect.succeed(fromAnswer(answer)),
      encode: ({ id }) => Effect.succeed({ id }),
    }),
  ),
)
