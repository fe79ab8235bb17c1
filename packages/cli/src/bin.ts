#!/usr/bin/env node
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { run, teardown } from "./Main.ts"

// Whoever read our output has had enough.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 4))

// The first Ctrl-C ends what is under way, in order; a second one does not wait for that.
process.once("SIGINT", () => process.on("SIGINT", () => process.exit(130)))

NodeRuntime.runMain(run(process.argv.slice(2)), { disableErrorReporting: true, teardown })
