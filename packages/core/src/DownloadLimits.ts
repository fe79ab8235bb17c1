/**
 * How much of this machine's disk and time a download may take, whatever the storage sends.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/**
 * All of them in bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /**
   * The largest result. One that is announced as larger fails before its first byte is read, and one that turns out to be
   * larger fails there; nothing is kept of either. By default 10 GB: live response collects files of up to 3 GB.
   */
  readonly maxBytes: number

  /** How much one batch downloads: then it ends, and what has arrived stays for the next one. By default unlimited. */
  readonly maxTotal: number

  /**
   * How much disk space stays free. It is checked before a result is written, together with what is still to come of the
   * results in progress, and after each MiB. By default 1 GB, or 5 % of a file system that is smaller than 20 GB.
   * Only where `DiskSpace` can tell.
   */
  readonly minFree: number | undefined

  /** How much the files that one batch unpacks have in all. By default 100 GB. */
  readonly maxExtractTotal: number
}

/**
 * @since 0.1.0
 * @category limits
 */
export const defaults: Limits = { maxBytes: 10e9, maxTotal: Infinity, minFree: undefined, maxExtractTotal: 100e9 }

/**
 * How much space stays free on a file system of this size, unless somebody chose.
 *
 * @since 0.1.0
 * @category limits
 */
export const defaultMinFree = (total: number): number => Math.min(1e9, total * 0.05)

/**
 * The limits in force.
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

/** Those that are given, over those in force. */
const over =
  (chosen: { readonly [K in keyof Limits]?: Limits[K] | undefined }) =>
  (current: Limits): Limits => ({
    maxBytes: chosen.maxBytes ?? current.maxBytes,
    maxTotal: chosen.maxTotal ?? current.maxTotal,
    minFree: chosen.minFree ?? current.minFree,
    maxExtractTotal: chosen.maxExtractTotal ?? current.maxExtractTotal,
  })

/**
 * Some of the limits, or none of them.
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
export const provide =
  (chosen: Choice) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.updateService(effect, DownloadLimits, over(chosen))

/**
 * Replaces some of the limits.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (chosen: Choice): Layer.Layer<never> =>
  Layer.effect(DownloadLimits, Effect.map(DownloadLimits, over(chosen)))
