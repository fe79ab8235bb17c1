/**
 * `live-response library`
 */
import * as Permission from "@live-response/core/Permission"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { withApi } from "../../api/WithApi.ts"
import * as FlagTypes from "../../flags/FlagTypes.ts"
import * as Printing from "../../flags/Printing.ts"
import * as SignIn from "../../flags/SignIn.ts"
import * as Yes from "../../flags/Yes.ts"

const run = withApi(Effect.promise(() => import("./handler.ts")))

const needs = `Needs the permission ${Permission.describe(Permission.library)}.`

const list = Command.make(
  "list",
  { ...SignIn.flags, ...Printing.rows("file") },
  Effect.fnUntraced(function* (options) {
    const format = yield* Printing.formatOf(options)
    yield* run(options, (handler) => handler.list(format))
  }),
).pipe(
  Command.withDescription(`List the scripts and other files of the live response library. ${needs}`),
  Command.withExamples([
    { command: "live-response library list", description: "All files" },
    { command: "live-response library list --json | jq .fileName", description: "In a pipe" },
  ]),
)

const upload = Command.make(
  "upload",
  {
    files: Argument.String("file").pipe(
      Argument.atLeast(1),
      Argument.withMetavar("FILE"),
      Argument.withDescription("A file of this machine, of at most 20 MB; its name in the library is that of the file"),
    ),
    description: FlagTypes.text("description").pipe(
      Flag.optional,
      Flag.withMetavar("TEXT"),
      FlagTypes.describe("What the file is for"),
    ),
    parameters: FlagTypes.text("parameters").pipe(
      Flag.optional,
      Flag.withMetavar("TEXT"),
      FlagTypes.describe("What the parameters of a script mean, for those who run it"),
    ),
    yes: Yes.flag("replace a file that has the same name and other content"),
    ...SignIn.flags,
    json: FlagTypes.toggle("json", "Print a line of JSON for each file"),
  },
  (options) => run(options, (handler) => handler.upload(options)),
).pipe(
  Command.withDescription(
    `Upload files to the live response library, where sessions find them. A file that the library has already is not sent. ${needs}`,
  ),
  Command.withExamples([
    { command: "live-response library upload collect.ps1 --description Triage", description: "A script" },
  ]),
)

const remove = Command.make(
  "delete",
  {
    names: Argument.String("name").pipe(
      Argument.atLeast(1),
      Argument.withMetavar("NAME"),
      Argument.withDescription("The name of a file in the library"),
    ),
    yes: Yes.flag("delete the files"),
    ...SignIn.flags,
  },
  (options) => run(options, (handler) => handler.remove(options)),
).pipe(Command.withDescription(`Delete files from the live response library. ${needs}`))

export const library = Command.make("library").pipe(
  Command.withDescription("List, upload and delete the scripts and other files of the live response library"),
  Command.withSubcommands([list, upload, remove]),
)
