/** Splits CSV text that is in memory into records, without an effect for each row as `effect/encoding/Csv` has it. */

interface Reader {
  readonly text: string
  at: number
}

/** Reads a quoted cell, whose opening quote is at `at`. `undefined` if its closing quote is missing. */
const quotedCell = (reader: Reader): string | undefined => {
  let cell = ""
  let from = reader.at + 1
  for (;;) {
    const quote = reader.text.indexOf('"', from)
    if (quote === -1) return undefined
    cell += reader.text.slice(from, quote)
    reader.at = quote + 1
    if (reader.text[reader.at] !== '"') return cell
    cell += '"'
    from = reader.at + 1
  }
}

const isEnd = (character: string | undefined): boolean =>
  character === undefined || character === "," || character === "\n"

const plainCell = (reader: Reader): string | undefined => {
  const from = reader.at
  while (!isEnd(reader.text[reader.at])) reader.at++
  const cell = reader.text.slice(from, reader.at)
  return cell.includes('"') ? undefined : cell
}

/** The records of CSV with commas and line feeds, blank lines left out. `undefined` if a quote is where none may be. */
export const csvRecords = (text: string): ReadonlyArray<ReadonlyArray<string>> | undefined => {
  const reader: Reader = { text, at: 0 }
  const records: Array<ReadonlyArray<string>> = []
  let record: Array<string> = []
  while (reader.at < text.length) {
    const cell = text[reader.at] === '"' ? quotedCell(reader) : plainCell(reader)
    if (cell === undefined || !isEnd(text[reader.at])) return undefined
    record.push(cell)
    if (text[reader.at] !== ",") {
      if (record.length > 1 || record[0] !== "") records.push(record)
      record = []
    } else if (reader.at === text.length - 1) records.push([...record, ""])
    reader.at++
  }
  return records
}
