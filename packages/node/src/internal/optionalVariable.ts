import * as Config from "effect/Config"

/** A variable that may be absent. An empty one is not set, as for Azure's own tools. */
export const optionalVariable = (name: string): Config.Config<string | undefined> =>
  Config.String(name).pipe(
    Config.withDefault(""),
    Config.map((text) => (text === "" ? undefined : text)),
  )
