/**
 * `live-response download`
 */
import * as Permission from "@live-response/core/Permission"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Failure from "../../Failure.ts"
import * as Directory from "../../flags/Directory.ts"
import * as BatchOptions from "../../flags/BatchOptions.ts"
import * as FlagTypes from "../../flags/FlagTypes.ts"
import * as Listen from "../../flags/Listen.ts"
import * as Printing from "../../flags/Printing.ts"
import * as Quota from "../../flags/Quota.ts"
import * as Selection from "../../flags/Selection.ts"
import * as SignIn from "../../flags/SignIn.ts"
import * as Targets from "../../input/Targets.ts"

/** Help and usage errors do not load what calls the API. */
const loadHandler = Effect.promise(() => import("./handler.ts"))

const loadFollow = Effect.promise(() => import("./follow.ts"))

const parameters = {
  targets: Argument.String("target").pipe(
    Argument.variadic(),
    Argument.withMetavar("TARGET"),
    Argument.withDescription(
      "<machine action id> for all of its results; <id>:<index>, <id>:<a>-<b> or <id>:<a>,<b> for some of them",
    ),
  ),
  lists: FlagTypes.lists(
    "from",
    "A list of targets: one per line, JSON lines, or .csv with a header; - is standard input; may be repeated",
  ),
  ...Selection.flags,
  follow: FlagTypes.toggle(
    "follow",
    "Watch for actions that finish, and download their results, until Ctrl-C; the same command resumes. Without --since it starts with the actions of the last day",
  ),
  listen: Listen.flag,
  directory: Directory.out,
  dryRun: FlagTypes.toggle(
    "dry-run",
    "Print the results that would be downloaded, and what that costs in quota and time; write nothing but the quota's log",
  ),
  ...BatchOptions.flags,
  ...SignIn.flags,
  ...SignIn.storageHosts,
  ...Quota.flags,
  strict: FlagTypes.toggle(
    "strict",
    "Stop at the first broken line of a list; without it, a broken line is a failed target",
  ),
  retryFailed: FlagTypes.toggle("retry-failed", "Also download the results that failed according to the manifest"),
  ...Printing.flags,
  ...Printing.progress,
}

type Options = Command.Command.Config.Infer<typeof parameters>

/** What is wrong with a combination of flags, if anything is. */
const problemOf = (options: Options): string | undefined => {
  const isNaming = options.targets.length > 0 || options.lists.length > 0 || options.retryFailed
  if (!options.follow) {
    if (Option.isSome(options.listen)) return "--listen shows what --follow downloads; add --follow"
    return isNaming || Selection.isSelecting(options)
      ? undefined
      : "nothing to download; name a TARGET, a list of targets with --from FILE (- is standard input), or a selection such as --since 24h"
  }
  if (options.dryRun) return "--dry-run shows what is there now; leave out --follow"
  if (isNaming) return "--follow finds what it downloads; leave out TARGET, --from and --retry-failed"
  const problem = Selection.problemOfFollowing(options)
  return problem === undefined ? undefined : `with --follow, ${problem}`
}

export const download = Command.make(
  "download",
  parameters,
  Effect.fnUntraced(function* (options) {
    const targets = yield* Targets.fromArguments(options.targets)
    const problem = problemOf(options) ?? (yield* BatchOptions.problemOf(options))
    if (problem !== undefined) return yield* Failure.usage(problem)
    const environment = yield* SignIn.environment(options)
    const chosen = { ...options, selection: options, windows: yield* Quota.windows(options) }
    if (options.follow) {
      const Follow = yield* loadFollow
      return yield* Effect.provide(Follow.run(chosen), environment)
    }
    const handler = yield* loadHandler
    yield* Effect.provide(handler.run(targets, chosen), environment)
  }),
).pipe(
  Command.withShortDescription("Download results: of targets, lists or a selection, or as they arrive"),
  Command.withDescription(
    `Download results of live response. Results that are present are skipped, and unfinished downloads resume. Needs the permission ${Permission.describe(Permission.results)}.`,
  ),
  Command.withExamples([
    { command: "live-response download 988cc94e-7a8f-4b28-ab65-54970c5d5018:0", description: "One result" },
    { command: "live-response download --from targets.txt --out case-4711", description: "All results of a list" },
    {
      command: "live-response download --follow --requestor soc@contoso.com --out collected",
      description: "Left running: the results of every session that finishes",
    },
    { command: "cut -f1 hunt.tsv | live-response download --from - --json | jq .event", description: "In a pipe" },
  ]),
)
