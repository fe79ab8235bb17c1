/**
 * How many bytes a second arrive, over the last ten seconds.
 */

/** How many bytes had arrived at a time, in milliseconds. */
export interface Sample {
  readonly at: number
  readonly bytes: number
}

export type Samples = ReadonlyArray<Sample>

/** In milliseconds. */
const window = 10_000

/** The samples of the window, with a new one. A clock that was set back starts a new window. */
export const add = (samples: Samples, sample: Sample): Samples => [
  ...samples.filter(({ at }) => at >= sample.at - window && at < sample.at),
  sample,
]

/** In bytes a second; none before there are two samples. */
export const rateOf = (samples: Samples): number | undefined => {
  const [first, last] = [samples[0], samples.at(-1)]
  return first === undefined || last === undefined || first.at === last.at
    ? undefined
    : (1000 * (last.bytes - first.bytes)) / (last.at - first.at)
}
