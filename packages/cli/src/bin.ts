#!/usr/bin/env node
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Interrupt from "./Interrupt.ts"
import { run, teardown } from "./Main.ts"
import * as StandardOutput from "./output/StandardOutput.ts"

StandardOutput.listen()
Interrupt.exitOnSecond()

NodeRuntime.runMain(run(process.argv.slice(2)), { disableErrorReporting: true, teardown })
