/**
 * Pages in headless Chromium, which is Debian's, and everything that must not happen in them.
 */
import { pathToFileURL } from "node:url"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core"

const flags = [
  // Tests may run as root.
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
]

const launch = Effect.acquireRelease(
  Effect.promise(() => chromium.launch({ executablePath: "/usr/bin/chromium", args: flags })),
  (browser) => Effect.promise(() => browser.close()),
)

/** One browser for all tests of a file, because it takes seconds to start. Each page has a context of its own. */
export class Chromium extends Context.Service<Chromium, Browser>()("@live-response/cli/test/support/Browser/Chromium") {
  static readonly layer = Layer.effect(Chromium, launch)
}

/** A page, and what went wrong in it: messages on the console, errors, requests, violations of its policy, dialogs. */
export interface Opened {
  readonly page: Page
  readonly problems: ReadonlyArray<string>
}

/** Reports violations on the console, where they are a problem as any other message. */
const watchPolicy = `document.addEventListener("securitypolicyviolation", ({ blockedURI, violatedDirective }) =>
  console.error("policy: " + violatedDirective + " " + blockedURI))`

const watch = (page: Page, address: string): Opened => {
  const problems: Array<string> = []
  page.on("console", (message) => problems.push(`console: ${message.text()}`))
  page.on("pageerror", (error) => problems.push(`error: ${error.message}`))
  page.on("request", (request) => {
    if (request.url().split("#")[0] !== address) problems.push(`request: ${request.url()}`)
  })
  page.on("dialog", (dialog) => {
    problems.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  return { page, problems }
}

/** Opens a file, and waits until its views are there. */
export const open = Effect.fnUntraced(function* (path: string, options: BrowserContextOptions = {}) {
  const browser = yield* Chromium
  const page = yield* Effect.acquireRelease(
    Effect.promise(() => browser.newPage({ viewport: { width: 1280, height: 800 }, ...options })),
    (page) => Effect.promise(() => page.close()),
  )
  const address = pathToFileURL(path).href
  const opened = watch(page, address)
  yield* Effect.promise(() => page.addInitScript({ content: watchPolicy }))
  yield* Effect.promise(() => page.goto(address))
  yield* Effect.promise(() => page.waitForSelector("nav"))
  return opened
})
