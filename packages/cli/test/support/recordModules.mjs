// Preloaded into a process (NODE_OPTIONS=--import=…): writes down every module that it loads.
import { appendFileSync } from "node:fs"
import { registerHooks } from "node:module"

registerHooks({
  load: (url, context, next) => {
    appendFileSync(process.env.LOADED_MODULES, `${url}\n`)
    return next(url, context)
  },
})
