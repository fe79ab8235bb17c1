/** Index of the first number that is greater than `bound`, among numbers in ascending order. */
export const upperBound = (numbers: ReadonlyArray<number>, bound: number): number => {
  let low = 0
  let high = numbers.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((numbers[middle] ?? Infinity) <= bound) low = middle + 1
    else high = middle
  }
  return low
}
