#!/usr/bin/env node
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { run, teardown } from "./Main.ts"
import * as StandardOutput from "./output/StandardOutput.ts"

StandardOutput.listen()

// The first Ctrl-C ends what is in progress, in order; a second one does not wait for that.
process.once("SIGINT", () => process.on("SIGINT", () => process.exit(130)))

NodeRuntime.runMain(run(process.argv.slice(2)), { disableErrorReporting: true, teardown })
