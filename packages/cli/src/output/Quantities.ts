/**
 * Sizes and durations as people read them, in plain JavaScript: the page of a report has them too.
 */

const units = ["B", "kB", "MB", "GB", "TB"]

/** 1.2 GB: powers of ten, as `ls -h --si` prints sizes. */
export const bytes = (n: number): string => {
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, n)) / 3))
  const value = n / 1000 ** power
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`
}

/** 42 s, 12 min, 6 h 9 min, 27 d 18 h: two units at most. */
export const duration = (millis: number): string => {
  const seconds = Math.ceil(millis / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.round(minutes / 60)
  if (hours >= 48) return hours % 24 === 0 ? `${hours / 24} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
