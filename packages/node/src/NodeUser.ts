/**
 * The user who runs this program. With it, directories and files of other users are refused.
 *
 * @since 0.1.0
 */
import { UserId } from "@live-response/core/PrivateDirectory"
import * as Layer from "effect/Layer"

/**
 * Provides the effective user id of this process.
 *
 * **Gotchas**
 *
 * Windows has no user ids, so owners and modes are not checked there.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<never> = Layer.sync(UserId, () => process.geteuid?.())
