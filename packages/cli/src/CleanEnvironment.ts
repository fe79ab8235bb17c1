import * as NodeEnvironment from "@live-response/node/NodeEnvironment"
import * as ConfigProvider from "effect/ConfigProvider"
import { librarySwitch } from "./DebugSwitches.ts"
import { socketVariable } from "./output/SystemdNotify.ts"

/**
 * Removes from this process's environment the secrets, the switch by which libraries print them, and the socket of systemd, and
 * gives what the environment was. Programs that are started, such as `az` for a sign-in, inherit what is left.
 */
export const takeSecrets = (env: Record<string, string | undefined>): ConfigProvider.ConfigProvider => {
  const provider = ConfigProvider.fromEnvRecord({ ...env })
  for (const name of [...NodeEnvironment.secretVariables, librarySwitch, socketVariable]) delete env[name]
  return provider
}
