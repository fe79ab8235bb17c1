/**
 * Cells of a table that somebody opens in a spreadsheet, which takes some of them for formulas and runs them.
 */
import { printable } from "./Printable.ts"

/**
 * Where a formula may start. The reader chooses at which character the cells are separated, whatever the file says, and
 * with another delimiter than ours a quote in a text is no longer part of that text. So a sign counts wherever it is not
 * behind a letter, a digit or another sign; full-width forms count too. An apostrophe already marks a text.
 */
const formula = /(?<![\p{L}\p{N}\p{M}'=+\-@＝＋－＠])(?=[=+\-@＝＋－＠])|^(?=[\t\r\n])/gu

const plainNumber = /^-?\d+(\.\d+)?$/

/** One line that a spreadsheet shows as it is. An apostrophe marks a text that could be a formula. */
export const cell = (text: string): string => (plainNumber.test(text) ? text : printable(text.replaceAll(formula, "'")))
