import { execFile } from "node:child_process"
import { writeFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Examples, root } from "./Examples.ts"

/** The standard output of a program, or its standard error if it prints nothing. */
const run = (command: string, ...args: ReadonlyArray<string>) =>
  Effect.callback<string>((resume) => {
    const child = execFile(command, args, { cwd: root }, (_, stdout, stderr) =>
      resume(Effect.succeed(stdout === "" ? stderr : stdout)),
    )
    return Effect.sync(() => child.kill())
  })

const bin = (name: string) => join(root, "node_modules/.bin", name)

/** The project's compiler settings, without those for project references. */
const settings = (files: Iterable<string>) =>
  JSON.stringify({
    extends: join(root, "tsconfig.base.json"),
    files: Array.from(files),
    compilerOptions: {
      lib: ["ES2024", "ESNext.Iterator", "DOM", "DOM.Iterable", "DOM.AsyncIterable"],
      types: ["node"],
      noEmit: true,
      composite: false,
      incremental: false,
      declarationMap: false,
    },
  })

const Printed = Schema.Struct({ file: Schema.String, line: Schema.Int, text: Schema.String })
const decodePrinted = Schema.decodeUnknownEffect(Schema.fromJsonString(Printed))

layer(Examples.layer, { excludeTestServices: true })("the examples of the documentation", (it) => {
  it.effect("compile with the project's settings", () =>
    Effect.gen(function* () {
      const examples = yield* Examples
      const [first = ""] = examples.keys()
      const project = join(dirname(first), "tsconfig.json")
      writeFileSync(project, settings(examples.keys()))
      const compiler = (yield* run(bin("effect-tsgo"), "get-exe-path")).trim()
      const printed = yield* run(compiler, "-p", project, "--pretty", "false")
      const problems = printed
        .trim()
        .split(/\n(?=\S+\(\d+,\d+\): |error )/)
        .flatMap((problem) => {
          const [, file = "", line, text] = /^(.+)\((\d+),\d+\): ([\s\S]+)$/.exec(problem) ?? []
          const example = examples.get(resolve(root, file))
          if (example !== undefined) return [`${example.source}:${line}: ${text}`]
          // Errors in the packages themselves are reported by `check:types`.
          return problem === "" || /^packages\/\w+\/src\//.test(relative(root, resolve(root, file))) ? [] : [problem]
        })
      assert.isAbove(examples.size, 10)
      assert.strictEqual(problems.join("\n"), "")
    }),
  )

  it.effect("load, and print what they say", () =>
    Effect.gen(function* () {
      const examples = yield* Examples
      const printer = fileURLToPath(new URL("print.ts", import.meta.url))
      const printed = yield* run(bin("node"), printer, ...examples.keys())
      const lines = yield* Effect.forEach(printed.trim().split("\n"), (line) => decodePrinted(line))
      const problems = Array.from(examples).flatMap(([file, { prints, source }]) => {
        const own = lines.filter((each) => each.file === file)
        const failures = own.filter(({ line }) => line === 0).map(({ text }) => `${source}: ${text}`)
        const others = Array.from(prints).flatMap(([line, expected]) => {
          const actual = own.filter((each) => each.line === line).map(({ text }) => text)
          return actual.join("\n") === expected
            ? []
            : [`${source}:${line}: prints ${JSON.stringify(actual)}, says ${expected}`]
        })
        return [...failures, ...others]
      })
      assert.isAbove(lines.length, 5)
      assert.strictEqual(problems.join("\n"), "")
    }),
  )
})
