/**
 * Numbers as people type them, in variables and flags.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** By default 0. */
  readonly minimum?: number | undefined

  readonly maximum: number

  /** How the number is written. By default in digits alone, which makes it a whole number. */
  readonly form?: RegExp | undefined

  /** What the text must be, for messages. */
  readonly expected: string
}

/**
 * A number in a range, from a text.
 *
 * **Details**
 *
 * Whatever is wrong with the text, the error is the same sentence for people.
 *
 * **Example**
 *
 * @example
 * ```ts
 * import * as NumberText from "@live-response/core/NumberText"
 * import * as Schema from "effect/Schema"
 *
 * const Port = NumberText.fromString({ minimum: 1, maximum: 65_535, expected: "a port" })
 * console.log(Schema.decodeSync(Port)("8080")) // 8080
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromString = ({ expected, form = /^\d+$/, maximum, minimum = 0 }: Options): Schema.Codec<number, string> =>
  Schema.String.check(
    Schema.makeFilter((text) => form.test(text) && Number(text) >= minimum && Number(text) <= maximum, { expected }),
  ).pipe(Schema.decodeTo(Schema.FiniteFromString))
