/**
 * Commands that messages suggest, as they are typed into a shell.
 */
import { printable } from "./Printable.ts"

/** An argument, in quotes where a shell would take it apart. */
export const argument = (text: string): string =>
  printable(/^[\p{L}\p{N}_@%+=:,./~-]+$/u.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`)

/** Downloads a target into a directory: without `--out` it would not be where its other results are. */
export const download = (target: string, directory: string): string =>
  `live-response download ${target} --out ${argument(directory)}`

/** What to do about results whose machine nobody has looked up. */
export const lookUp = (unidentified: string, directory: string): string =>
  `The machine is unknown for ${unidentified}; ${download("<machine action id>", directory)} looks it up.`

export const report = (directory: string): string => `live-response report ${argument(directory)} --open`
