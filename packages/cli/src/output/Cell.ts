/**
 * Cells of a table that somebody opens in a spreadsheet, which takes some of them for formulas and runs them.
 */
import { printable } from "../Printable.ts"

/**
 * Where a formula may begin: at the start, or behind a semicolon, at which spreadsheets of many countries part cells
 * whatever the file says. Blanks and what can't be seen are passed over before it, and full-width forms count.
 */
const formula = /(^|;)(?=[\s\p{C}]*[=+\-@\t\r\n＝＋－＠])/gu

const plainNumber = /^-?\d+(\.\d+)?$/

/** One line that a spreadsheet shows as it is. An apostrophe says that a text is one. */
export const cell = (text: string): string =>
  plainNumber.test(text) ? text : printable(text.replaceAll(formula, "$1'"))
