/**
 * `live-response collect-package`
 */
import * as Permission from "@live-response/core/Permission"
import * as Session from "@live-response/core/Session"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Failure from "../../Failure.ts"
import * as Run from "../run/command.ts"

const sessionOf = ({ comment }: { readonly comment: string }) =>
  comment === ""
    ? Effect.fail(Failure.usage("--comment can't be empty"))
    : Effect.succeed(Session.Session.make({ commands: [Session.CollectPackage.make()], comment }))

export const collectPackage = Command.make("collect-package", Run.packageParameters, (options) =>
  Run.runSession(options, sessionOf(options), []),
).pipe(
  Command.withShortDescription("Collect investigation packages of machines, and download them"),
  Command.withDescription(
    `Collect an investigation package on machines, and download it: the same rules as for run. No machine collects it twice, even if this command is killed and run again. Needs the permission ${Permission.describe(Permission.packages)}; to wait also ${Permission.describe(Permission.actions)}; to download also ${Permission.describe(Permission.packageLinks)}.`,
  ),
  Command.withExamples([
    {
      command: "live-response collect-package ws-1.contoso.com --download case-4711",
      description: "Collect, wait and download; the same command again resumes",
    },
  ]),
)
