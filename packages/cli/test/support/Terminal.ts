/**
 * What a terminal makes of the bytes that a program writes: as much of one as progress displays need.
 */

const sequence = /\u001b\[([?\d;]*)([A-Za-z])/y

/** The lines on the screen after all of this was written; long lines are wrapped, blank ones at the end are left out. */
export const screen = (output: string, columns: number): ReadonlyArray<string> => {
  const { lines } = write(output, columns)
  while (lines.at(-1)?.trim() === "") lines.pop()
  return lines.map((line) => line.trimEnd())
}

/** How wide the widest line was that was ever written, wrapped or not. */
export const widest = (output: string): number => write(output, Infinity).widest

/** Whether the cursor is hidden at the end. */
export const isCursorHidden = (output: string): boolean =>
  output.lastIndexOf("\u001b[?25l") > output.lastIndexOf("\u001b[?25h")

/** What is written, without what a progress display needs to draw: moving, erasing, hiding the cursor. */
export const withoutDrawing = (output: string): string =>
  output.replaceAll(/\u001b\[(?:\d*[ABCDGK]|\d*J|\?25[lh]|\?2026[lh])/g, "")

const write = (output: string, columns: number) => {
  const lines: Array<string> = [""]
  let row = 0
  let column = 0
  let widest = 0
  const put = (character: string) => {
    if (column === columns) {
      column = 0
      row++
    }
    const line = (lines[row] ?? "").padEnd(column)
    lines[row] = line.slice(0, column) + character + line.slice(column + 1)
    column++
    widest = Math.max(widest, column)
  }
  const obey = (count: number, command: string) => {
    switch (command) {
      case "A":
        row = Math.max(0, row - Math.max(1, count))
        return
      case "B":
        row += Math.max(1, count)
        return
      case "G":
        column = Math.max(1, count) - 1
        return
      case "K":
        lines[row] = count === 2 ? "" : (lines[row] ?? "").slice(0, column)
        return
      case "J":
        lines.splice(row + 1)
        lines[row] = (lines[row] ?? "").slice(0, column)
        return
    }
  }
  for (let i = 0; i < output.length; i++) {
    sequence.lastIndex = i
    const found = sequence.exec(output)
    const character = output[i] ?? ""
    if (found !== null) {
      obey(Number.parseInt(found[1] ?? "") || 0, found[2] ?? "")
      i += found[0].length - 1
    } else if (character === "\r") {
      column = 0
    } else if (character === "\n") {
      row++
    } else {
      put(character)
    }
    lines[row] ??= ""
  }
  return { lines: Array.from(lines, (line) => line ?? ""), widest }
}
