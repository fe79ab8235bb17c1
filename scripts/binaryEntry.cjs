// What Node runs in a binary: loads the parts of the bundle, which are in the binary too, each when it is needed. Node's own loader
// knows only files, and one part with everything would take twice as long to start.
const { getAsset } = require("node:sea")
const { compileFunction } = require("node:vm")

const loaded = new Map()

const load = (id) => {
  if (!id.startsWith("./")) return require(id)
  const known = loaded.get(id)
  if (known !== undefined) return known.exports
  const part = { exports: {} }
  // Before it runs: two parts can need each other.
  loaded.set(id, part)
  const names = ["exports", "require", "module", "__filename"]
  const run = compileFunction(getAsset(id.slice(2), "utf8"), names, { filename: id })
  run(part.exports, load, part, process.execPath)
  return part.exports
}

// A signal that arrives while it loads, which takes no turn of the event loop, waits for the program's own listeners.
const signals = ["SIGINT", "SIGTERM"]
const wait = () => {}
for (const signal of signals) process.on(signal, wait)
load("./Process.js")
for (const signal of signals) process.removeListener(signal, wait)
