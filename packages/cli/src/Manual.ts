/**
 * The man pages and the completions, which `npm run build` writes into the package. They are made of the commands' own help.
 */
import * as Effect from "effect/Effect"
import packageJson from "../package.json" with { type: "json" }
import * as HelpPages from "./HelpPages.ts"
import { command } from "./Main.ts"
import * as ManPage from "./ManPage.ts"
import * as ShellCompletions from "./ShellCompletions.ts"

/** Where each shell's own directory has the script, and under which name. */
const names: Readonly<Record<(typeof ShellCompletions.shells)[number], string>> = {
  bash: "bash/live-response",
  zsh: "zsh/_live-response",
  fish: "fish/live-response.fish",
  powershell: "powershell/live-response.ps1",
}

export interface File {
  readonly path: string
  readonly text: string
}

/** The files, with paths in the package's `dist`. */
export const files: Effect.Effect<ReadonlyArray<File>> = Effect.gen(function* () {
  const pages = yield* HelpPages.all(command)
  const scripts = yield* Effect.forEach(ShellCompletions.shells, (shell) =>
    Effect.map(ShellCompletions.script(command, shell), (text) => ({ path: `completions/${names[shell]}`, text })),
  )
  return [
    ...pages.map((page) => ({
      path: `man/${ManPage.nameOf(page)}.1`,
      text: ManPage.render(page, pages, packageJson.version),
    })),
    ...scripts,
  ]
})
