// Builds the page of a report from the sources beside this file.
//
//     npm run build:report
//
// The result is checked in, so that neither a checkout nor the bundle needs a bundler to write a report. The test
// `packages/cli/test/reportPage.test.ts` fails if it is not up to date.
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"

const pathOf = (name) => fileURLToPath(new URL(name, import.meta.url))

const output = pathOf("../src/commands/report/page.json")

/** The script and the style of the page, as JSON. */
export const build = async () => {
  const bundle = await rolldown({
    input: pathOf("main.ts"),
    platform: "browser",
    treeshake: { moduleSideEffects: false },
  })
  const { output } = await bundle.generate({ format: "iife", minify: true, comments: false })
  await bundle.close()
  const script = output[0].code.trim()
  // Either would end its element early.
  if (/<\/script|<!--/i.test(script)) throw new Error("the script has text that ends its element")
  const style = readFileSync(pathOf("style.css"), "utf8").replaceAll(/\s+/g, " ").trim()
  return `${JSON.stringify({ style, script }, null, 2)}\n`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(output, await build())
