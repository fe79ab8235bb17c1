/**
 * Cells of `results.csv`, made safe for a spreadsheet, which would run a cell that looks like a formula.
 */
import { printable } from "./Printable.ts"

/**
 * Where a formula may start. The spreadsheet chooses the delimiter, and with another delimiter than ours a cell may start
 * in the middle of a text. So a sign counts wherever it does not follow a letter, a digit or another sign; full-width signs
 * count too. After an apostrophe a sign is safe already.
 */
const formula = /(?<![\p{L}\p{N}\p{M}'=+\-@＝＋－＠])(?=[=+\-@＝＋－＠])|^(?=[\t\r\n])/gu

const plainNumber = /^-?\d+(\.\d+)?$/

/** One line that a spreadsheet shows as text. An apostrophe is added where a formula could start. */
export const cell = (text: string): string => (plainNumber.test(text) ? text : printable(text.replaceAll(formula, "'")))
