/** Help fits its terminal, and a misspelt name is answered with the right one. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HelpPages from "../src/HelpPages.ts"
import { command } from "../src/Main.ts"
import * as HelpLayout from "../src/output/HelpLayout.ts"
import * as InProcess from "./support/InProcess.ts"

const pages = HelpPages.all(command)

/** The longest line, but for those of one word, which can't be wrapped. */
const widthOf = (text: string): number =>
  Math.max(
    ...text
      .split("\n")
      .map((line) => line.replace(/ \\$/, ""))
      .filter((line) => /\S \S/.test(line))
      .map(({ length }) => length),
  )

const squeezed = (text: string): string => text.replaceAll(/ \\\n|\s+/g, " ").replaceAll(/ +/g, " ")

describe("help", () => {
  it.effect("is wrapped at words, and loses none of them", () =>
    Effect.gen(function* () {
      for (const { doc, path } of yield* pages) {
        for (const columns of [40, 60, 80, 100]) {
          const text = HelpLayout.text(doc, columns)
          assert.isAtMost(widthOf(text), columns, `${path.join(" ")} at ${columns}`)
          assert.strictEqual(squeezed(text), squeezed(HelpLayout.text(doc, 100)))
        }
        assert.strictEqual(HelpLayout.text(doc, 200), HelpLayout.text(doc, 100))
      }
    }),
  )

  it.effect("does not offer the wizard", () =>
    Effect.gen(function* () {
      const { stdout } = yield* InProcess.run(["download", "--help"])
      assert.notInclude(stdout, "wizard")
      assert.include(stdout, "--log-level LEVEL")
      assert.notInclude(stdout, "(required)")
    }),
  )

  it.effect("help, help COMMAND, version and -V do what their flags do", () =>
    Effect.gen(function* () {
      const pairs = [
        [["help"], ["--help"]],
        [
          ["help", "download"],
          ["download", "--help"],
        ],
        [
          ["help", "actions", "list"],
          ["actions", "list", "--help"],
        ],
        [["help", "help"], ["--help"]],
        [["help", "-h"], ["--help"]],
        [
          ["--verbose", "--log-level", "debug", "help", "download"],
          ["download", "--help"],
        ],
        [["version"], ["--version"]],
        [["-V"], ["--version"]],
      ] as const
      for (const [short, long] of pairs) {
        assert.deepStrictEqual(yield* InProcess.run(short), yield* InProcess.run(long), short.join(" "))
      }
    }),
  )

  it.effect("a group without one of its commands prints its help, and succeeds", () =>
    Effect.gen(function* () {
      for (const { doc, path } of yield* pages) {
        if (doc.subcommands === undefined || doc.subcommands.length === 0) continue
        const names = path.slice(1)
        const help = yield* InProcess.run([...names, "--help"])
        assert.include(help.stdout, "SUBCOMMANDS")
        assert.strictEqual(help.exitCode, 0)
        assert.deepStrictEqual(yield* InProcess.run(names), help, path.join(" "))
        assert.deepStrictEqual(yield* InProcess.run(["--verbose", ...names]), help, `--verbose ${path.join(" ")}`)
      }
    }),
  )
})

describe("a misspelt name", () => {
  it.effect.each([
    {
      args: ["downlod"],
      stderr: 'Unknown subcommand "downlod" for "live-response"; did you mean download? (see live-response --help)',
    },
    {
      // The flag is one of the command that was meant.
      args: ["downlod", "--from", "x"],
      stderr: 'Unknown subcommand "downlod" for "live-response"; did you mean download? (see live-response --help)',
    },
    {
      args: ["DOWNLOAD"],
      stderr: 'Unknown subcommand "DOWNLOAD" for "live-response"; did you mean download? (see live-response --help)',
    },
    {
      args: ["download", "--form", "x"],
      stderr:
        "Unrecognized flag: --form in command live-response download; did you mean --from? (see live-response download --help)",
    },
    {
      args: ["help", "actions", "lst"],
      stderr: "live-response actions has no command lst; did you mean list? (see live-response actions --help)",
    },
    {
      args: ["--config", "c.toml", "--verbose", "nothing-like-it", "--help"],
      stderr: "live-response has no command nothing-like-it (see live-response --help)",
    },
    {
      args: ["--log-level=debug", "actions", "lst", "--help"],
      stderr: "live-response actions has no command lst; did you mean list? (see live-response actions --help)",
    },
    {
      args: ["nothing-like-it", "--help"],
      stderr: "live-response has no command nothing-like-it (see live-response --help)",
    },
  ])("is answered in one line, with exit code 2: $args", ({ args, stderr }) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* InProcess.run(args), {
        exitCode: 2,
        stdout: "",
        stderr: `live-response: ${stderr}\n`,
      })
    }),
  )
})
