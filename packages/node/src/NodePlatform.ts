/**
 * The operating system of this process. It is the only module that asks Node which one that is.
 *
 * @since 0.1.0
 */
import * as Platform from "@live-response/core/Platform"
import * as Layer from "effect/Layer"

/**
 * The rules of a system that Node names, such as `win32`, for a user.
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = (name: NodeJS.Platform, user: number | undefined): Platform.Service => {
  switch (name) {
    case "win32":
      return Platform.windows
    case "darwin":
      return Platform.macos(user)
    default:
      return Platform.posix(user)
  }
}

/**
 * The rules of this system, for the effective user of this process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const current = (): Platform.Service => of(process.platform, process.geteuid?.())

/**
 * Provides the rules of this system. With them, directories and files of other users are refused.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<never> = Layer.sync(Platform.Platform, current)
