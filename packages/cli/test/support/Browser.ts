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

/** `isExpected` says which addresses a page may ask for, and `isNoise` which messages do not count. */
const watch = (
  page: Page,
  isExpected: (address: string) => boolean,
  isNoise: (message: string) => boolean = () => false,
): Opened => {
  const problems: Array<string> = []
  page.on("console", (message) => {
    if (!isNoise(message.text())) problems.push(`console: ${message.text()}`)
  })
  page.on("pageerror", (error) => problems.push(`error: ${error.message}`))
  page.on("request", (request) => {
    if (!isExpected(request.url())) problems.push(`request: ${request.url()}`)
  })
  page.on("dialog", (dialog) => {
    problems.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  return { page, problems }
}

const newPage = Effect.fnUntraced(function* (options: BrowserContextOptions) {
  const browser = yield* Chromium
  return yield* Effect.acquireRelease(
    Effect.promise(() => browser.newPage({ viewport: { width: 1280, height: 800 }, ...options })),
    (page) => Effect.promise(() => page.close()),
  )
})

const go = Effect.fnUntraced(function* (opened: Opened, address: string) {
  yield* Effect.promise(() => opened.page.addInitScript({ content: watchPolicy }))
  yield* Effect.promise(() => opened.page.goto(address))
  yield* Effect.promise(() => opened.page.waitForSelector("nav"))
  return opened
})

/** Opens a file, and waits until its views are there. */
export const open = Effect.fnUntraced(function* (path: string, options: BrowserContextOptions = {}) {
  const address = pathToFileURL(path).href
  const page = yield* newPage(options)
  return yield* go(
    watch(page, (url) => url.split("#")[0] === address),
    address,
  )
})

/** Opens a page of a server, which may ask that server for more. Messages about a server that is gone do not count. */
export const visit = Effect.fnUntraced(function* (address: string) {
  const page = yield* newPage({})
  const { origin } = new URL(address)
  return yield* go(
    watch(
      page,
      (url) => new URL(url).origin === origin,
      (message) => /net::ERR_(?:CONNECTION|INCOMPLETE|EMPTY)/.test(message),
    ),
    address,
  )
})
