/**
 * Switches of Node and of Azure's libraries that print what goes over the wire or the environment, secrets among it. Node
 * reads its own before this program starts, so that they can't be turned off here.
 */

/**
 * What Node may print, because it is about files, modules and timers alone. All else is refused, also what later versions
 * of Node or a library may add.
 */
const harmless = {
  NODE_DEBUG: ["esm", "fs", "module", "source_map", "timer"],
  NODE_DEBUG_NATIVE: ["module"],
} as const

type Environment = Readonly<Record<string, string | undefined>>

const sectionsOf = (text = ""): ReadonlyArray<string> =>
  text
    .split(",")
    .map((section) => section.trim().toLowerCase())
    .filter((section) => section !== "")

const refusedSwitch = (env: Environment): string | undefined =>
  Object.entries(harmless).find(([name, allowed]) =>
    sectionsOf(env[name]).some((section) => !allowed.some((one) => one === section)),
  )?.[0]

/** Azure's libraries print the address of the proxy as it is. */
const hasProxyPassword = (env: Environment): boolean =>
  ["HTTP_PROXY", "HTTPS_PROXY"].flatMap((name) => [env[name], env[name.toLowerCase()]]).some((it) => it?.includes("@"))

/** What is wrong with the environment, in a sentence, if anything is. */
export const problemOf = (env: Environment): string | undefined => {
  const name = refusedSwitch(env)
  if (name !== undefined) {
    return `${name} prints links and tokens, which are secrets; unset it, and use --verbose to see the calls without them`
  }
  return (env.AZURE_LOG_LEVEL ?? "") !== "" && hasProxyPassword(env)
    ? "AZURE_LOG_LEVEL prints the proxy's password; unset it, or use a proxy without a password"
    : undefined
}

/**
 * A switch of the libraries that sign in, which print the proxy's password. They read it when they are loaded, so that
 * it has no effect once it is removed. Many have it set for something else, so that it is not refused.
 */
export const librarySwitch = "DEBUG"
