/** Runs the modules named on its command line one after the other. Prints, as JSON lines, which line printed what. */
import { pathToFileURL } from "node:url"
import { format } from "node:util"
import * as Effect from "effect/Effect"

let file = ""

const tell = (line: number, text: string) => process.stdout.write(`${JSON.stringify({ file, line, text })}\n`)

const log = (...values: ReadonlyArray<unknown>) => {
  const frame = new Error("where").stack?.split("\n").find((line) => line.includes(pathToFileURL(file).href))
  tell(Number(/:(\d+):\d+\)?$/.exec(frame ?? "")?.[1] ?? 0), format(...values))
}
Reflect.set(globalThis.console, "log", log)

const run = (path: string) =>
  Effect.suspend(() => {
    file = path
    return Effect.tryPromise(() => import(pathToFileURL(path).href))
  }).pipe(Effect.catch((error) => Effect.sync(() => tell(0, format(error.cause)))))

await Effect.runPromise(Effect.forEach(process.argv.slice(2), run, { discard: true }))
