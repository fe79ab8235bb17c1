/**
 * Warnings of Node about itself.
 */

/** Hides that the SQLite of Node 22 is experimental: its users can do nothing about it. */
export const hideSqlite = (): void => {
  const { emitWarning } = process
  process.emitWarning = (warning: string | Error, ...rest: ReadonlyArray<unknown>): void => {
    if (!String(warning).startsWith("SQLite is an experimental feature")) {
      Reflect.apply(emitWarning, process, [warning, ...rest])
    }
  }
}
