/**
 * Variables of the environment.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"

/**
 * A variable that may be absent. An empty one is not set, as for Azure's own tools.
 *
 * @example
 * ```ts
 * import * as Variable from "@live-response/core/Variable"
 * import * as ConfigProvider from "effect/ConfigProvider"
 * import * as Effect from "effect/Effect"
 *
 * const environment = ConfigProvider.layer(ConfigProvider.fromUnknown({ AZURE_TENANT_ID: "" }))
 * console.log(Effect.runSync(Effect.provide(Variable.optional("AZURE_TENANT_ID"), environment))) // undefined
 * ```
 *
 * @since 0.1.0
 * @category config
 */
export const optional = (name: string): Config.Config<string | undefined> =>
  Config.String(name).pipe(
    Config.withDefault(""),
    Config.map((text) => (text === "" ? undefined : text)),
  )
