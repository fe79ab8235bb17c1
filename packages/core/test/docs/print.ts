/** Runs the modules in its arguments one after the other, and prints as JSON lines which line of each printed what. */
import { pathToFileURL } from "node:url"
import { format } from "node:util"
import * as Effect from "effect/Effect"

let file = ""

const report = (line: number, text: string) => process.stdout.write(`${JSON.stringify({ file, line, text })}\n`)

const log = (...values: ReadonlyArray<unknown>) => {
  const frame = new Error("where").stack?.split("\n").find((line) => line.includes(pathToFileURL(file).href))
  report(Number(/:(\d+):\d+\)?$/.exec(frame ?? "")?.[1] ?? 0), format(...values))
}
Reflect.set(globalThis.console, "log", log)

const run = (path: string) =>
  Effect.suspend(() => {
    file = path
    return Effect.tryPromise(() => import(pathToFileURL(path).href))
  }).pipe(Effect.catch((error) => Effect.sync(() => report(0, format(error.cause)))))

await Effect.runPromise(Effect.forEach(process.argv.slice(2), run, { discard: true }))
