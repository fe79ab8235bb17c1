/**
 * How much a download may use of this machine's disk, whatever the storage sends, and of its network.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import { downloadConcurrency } from "./internal/downloadConcurrency.ts"

/**
 * The limits of downloads, in bytes and in bytes a second.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /**
   * The largest result. A larger one fails before its first byte if the storage announces its length, else at this limit,
   * and nothing of it is stored. By default 10 GB; live response collects files of up to 3 GB.
   */
  readonly maxBytes: number

  /**
   * How much one batch downloads. Then the batch ends, and the next one resumes with the bytes it stored. By default
   * unlimited.
   */
  readonly maxTotal: number

  /**
   * How much disk space stays free. By default `defaultMinFree` of the file system: 1 GB, or 5 % of one that is smaller than
   * 20 GB.
   *
   * It is checked before a result is written and after each MiB, together with the bytes that are still to come of all
   * results in progress. It has no effect if `DiskSpace` does not know the free space.
   */
  readonly minFree: number | undefined

  /** The size of all files together that one batch unpacks. By default 100 GB. */
  readonly maxExtractTotal: number

  /**
   * How many bytes a second all downloads of one batch receive together, on average. By default unlimited.
   *
   * Reads wait, so that the sender does; waits count neither for `Timing.stallTimeout` nor for `Timing.minimumRate`. With a rate
   * far below 100,000, the storage may close connections that wait, and their downloads resume.
   */
  readonly bytesPerSecond: number
}

/**
 * The limits that apply if no others are provided.
 *
 * @since 0.1.0
 * @category limits
 */
export const defaults: Limits = {
  maxBytes: 10e9,
  maxTotal: Infinity,
  minFree: undefined,
  maxExtractTotal: 100e9,
  bytesPerSecond: Infinity,
}

/**
 * How many results a batch downloads at once by default.
 *
 * @since 0.1.0
 * @category limits
 */
export const defaultConcurrency: number = downloadConcurrency

/**
 * How much space stays free by default: this many bytes, or this share of a file system if that is less.
 *
 * @since 0.1.0
 * @category limits
 */
export const minFreeDefaults = { bytes: 1e9, share: 0.05 } as const

/**
 * How much space stays free by default on a file system of `total` bytes, by `minFreeDefaults`.
 *
 * @since 0.1.0
 * @category limits
 */
export const defaultMinFree = (total: number): number => Math.min(minFreeDefaults.bytes, total * minFreeDefaults.share)

/**
 * The current limits.
 *
 * @example
 * ```ts
 * import * as DownloadLimits from "@live-response/core/DownloadLimits"
 *
 * // Results of at most 500 MB, and 20 GB stay free.
 * export const small = DownloadLimits.layer({ maxBytes: 500e6, minFree: 20e9 })
 * ```
 *
 * @since 0.1.0
 * @category references
 */
export const DownloadLimits = Context.Reference<Limits>("@live-response/core/DownloadLimits", {
  defaultValue: () => defaults,
})

/** The current limits, with those that are given in their place. */
const over =
  (chosen: { readonly [K in keyof Limits]?: Limits[K] | undefined }) =>
  (current: Limits): Limits => ({
    maxBytes: chosen.maxBytes ?? current.maxBytes,
    maxTotal: chosen.maxTotal ?? current.maxTotal,
    minFree: chosen.minFree ?? current.minFree,
    maxExtractTotal: chosen.maxExtractTotal ?? current.maxExtractTotal,
    bytesPerSecond: chosen.bytesPerSecond ?? current.bytesPerSecond,
  })

/**
 * Some of the limits.
 *
 * @since 0.1.0
 * @category models
 */
export type Choice = Parameters<typeof over>[0]

/**
 * Replaces some of the limits for an effect.
 *
 * @since 0.1.0
 * @category references
 */
export const provide: {
  (chosen: Choice): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(effect: Effect.Effect<A, E, R>, chosen: Choice): Effect.Effect<A, E, R>
} = dual(2, <A, E, R>(effect: Effect.Effect<A, E, R>, chosen: Choice) =>
  Effect.updateService(effect, DownloadLimits, over(chosen)),
)

/**
 * Replaces some of the limits for a program.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (chosen: Choice): Layer.Layer<never> =>
  Layer.effect(DownloadLimits, Effect.map(DownloadLimits, over(chosen)))
