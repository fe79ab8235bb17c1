#!/usr/bin/env node
/**
 * The entry: answers `--version`, and loads the program for anything else. It imports nothing that takes time to load.
 */
import packageJson from "../package.json" with { type: "json" }
import * as CompileCache from "./CompileCache.ts"
import * as EarlySignals from "./EarlySignals.ts"
import { exitCode } from "./ExitCode.ts"
import { isOlder } from "./NodeVersion.ts"

const { engines, version } = packageJson

/** Whether it was written. Where it was not, the whole program tries again, and reports why. */
const wasWritten = (text: string): boolean => {
  try {
    // An import of it would load its streams too, and an old Node has no such function.
    return process.getBuiltinModule("node:fs").writeSync(1, text) === text.length
  } catch {
    return false
  }
}

const isVersion = process.argv.length === 3 && ["--version", "-V", "version"].includes(process.argv[2] ?? "")

if (isOlder(process.versions.node, engines.node)) {
  const [needed, installed] = [engines.node.replace(">=", ""), process.versions.node]
  const message = `live-response: needs Node ${needed} or later, and this is Node ${installed}; install a newer one from https://nodejs.org`
  process.stderr.write(`${message}\n`)
  process.exitCode = exitCode.machine
} else if (!isVersion || !wasWritten(`live-response v${version}\n`)) {
  const release = EarlySignals.hold(process)
  CompileCache.enable()
  await import("./Process.ts")
  release()
}
