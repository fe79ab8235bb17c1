/** A Markdown table whose columns are aligned in a terminal as well: text to the left, figures to the right. */
export const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const isFigure = head.map((_, i) => rows.every((row) => /^([\d,.\s/∞-]*)$/.test(row[i] ?? "")))
  const line = (cells: ReadonlyArray<string>) =>
    `| ${widths.map((width, i) => (isFigure[i] ? (cells[i] ?? "").padStart(width) : (cells[i] ?? "").padEnd(width))).join(" | ")} |`
  const rule = widths.map((width, i) => (isFigure[i] ? `${"-".repeat(width - 1)}:` : "-".repeat(width)))
  return [head, rule, ...rows].map(line).join("\n")
}

/** A number with separators between thousands. */
export const figure = (value: number, decimals = 0): string =>
  value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals })
