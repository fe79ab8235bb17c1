#!/usr/bin/env node
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { run, teardown } from "./Main.ts"

// Whoever read our output has had enough.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 4))

NodeRuntime.runMain(run(process.argv.slice(2)), { disableErrorReporting: true, teardown })
