/**
 * The arguments of a script, and what the service refuses in them.
 *
 * @since 0.1.0
 */

/** Characters by which a shell would run more than the script. */
const refused = new Set(";&|!$()")

/**
 * The characters in the arguments of a script that the service refuses: `;`, `&`, `|`, `!`, `$`, `(` and `)`.
 *
 * @example
 * ```ts
 * import * as ScriptArguments from "@live-response/core/ScriptArguments"
 *
 * console.log(ScriptArguments.refusedCharacters("-Path C:\\\\Temp; Get-Process | more")) // [ ';', '|' ]
 * ```
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/run-live-response
 * @since 0.1.0
 * @category limits
 */
export const refusedCharacters = (args: string): ReadonlyArray<string> =>
  Array.from(new Set(args)).filter((character) => refused.has(character))
