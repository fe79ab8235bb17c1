/**
 * Versions of Node.
 */

const numbersOf = (version: string): ReadonlyArray<number> => version.match(/\d+/g)?.map(Number) ?? []

/** Whether a version, such as 20.19.0, is older than what a range asks for, such as >=22.19.0. */
export const isOlder = (version: string, range: string): boolean => {
  const required = numbersOf(range)
  const difference = numbersOf(version)
    .map((number, i) => number - (required[i] ?? 0))
    .find((difference) => difference !== 0)
  return difference !== undefined && difference < 0
}
