/**
 * The user who runs this program, so that directories and files of other users are refused.
 *
 * @since 0.1.0
 */
import { UserId } from "@live-response/core/PrivateDirectory"
import * as Layer from "effect/Layer"

/**
 * Provides the id of this process's effective user. Windows has none: there owners and modes are not checked.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<never> = Layer.sync(UserId, () => process.geteuid?.())
