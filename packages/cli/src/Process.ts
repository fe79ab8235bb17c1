/**
 * The process: its environment, Ctrl-C, and its exit code.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodePlatform from "@live-response/node/NodePlatform"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { takeSecrets } from "./CleanEnvironment.ts"
import * as Interrupt from "./Interrupt.ts"
import { run, teardown } from "./Main.ts"
import * as StandardOutput from "./output/StandardOutput.ts"
import * as Warnings from "./NodeWarnings.ts"

StandardOutput.listen()
Interrupt.listen(NodePlatform.current(), process)
Warnings.hideSqlite()

const args = process.argv.slice(2)
const environment = takeSecrets(process.env)
const program = Effect.provideService(run(args), ConfigProvider.ConfigProvider, environment)

NodeRuntime.runMain(program, { disableErrorReporting: true, teardown: teardown(args) })
