/** The index of the first number greater than `bound`, in ascending numbers. */
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
