#!/usr/bin/env node
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { takeSecrets } from "./Environment.ts"
import { run, teardown } from "./Main.ts"
import * as StandardOutput from "./output/StandardOutput.ts"

StandardOutput.listen()

// The first Ctrl-C ends what is in progress, in order; a second one does not wait for that.
process.once("SIGINT", () => process.on("SIGINT", () => process.exit(130)))

const environment = takeSecrets(process.env)
const program = Effect.provideService(run(process.argv.slice(2)), ConfigProvider.ConfigProvider, environment)

NodeRuntime.runMain(program, { disableErrorReporting: true, teardown })
