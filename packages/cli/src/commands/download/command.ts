/**
 * `live-response download`
 */
import * as Permission from "@live-response/core/Permission"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Failure from "../../Failure.ts"
import * as Flags from "../../flags/Flags.ts"
import * as Targets from "../../input/Targets.ts"

/** Help and mistakes are answered before HTTP and files are loaded. */
const loadDownload = Effect.promise(() => import("./handler.ts"))

const loadCollector = Effect.promise(() => import("./follow.ts"))

/** Outside of the texts that it compares with. */
const namesStatus = (filter: string): boolean => /\bstatus\b/i.test(filter.replaceAll(/'[^']*'/g, ""))

const isUnderWay = (status: string): boolean => /^(pending|inprogress)$/i.test(status)

export const download = Command.make(
  "download",
  {
    targets: Argument.String("target").pipe(
      Argument.variadic(),
      Argument.withMetavar("TARGET"),
      Argument.withDescription(
        "<machine action id>, for all of its results; <id>:<index>, <id>:<a>-<b> and <id>:<a>,<b> for some",
      ),
    ),
    lists: Flag.String("from").pipe(
      Flag.atLeast(0),
      Flag.withMetavar("FILE"),
      Flag.withDescription("A list of targets: one a line, JSON lines, or .csv with a header; - is standard input"),
    ),
    ...Flags.selection,
    follow: Flags.toggle(
      "follow",
      "Keep watching for actions that end, and download their results, until interrupted; the same command again goes on where it was. Without --since it begins a day ago",
    ),
    directory: Flags.directory,
    ...Flags.saving,
    ...Flags.signIn,
    ...Flags.links,
    ...Flags.quota,
    strict: Flags.toggle("strict", "Stop at the first broken line of a list; by default it is a target that failed"),
    retryFailed: Flags.toggle("retry-failed", "Add what the directory's manifest says has failed"),
    ...Flags.printing,
  },
  Effect.fnUntraced(function* (options) {
    const named = yield* Targets.fromArguments(options.targets)
    const isSelecting = Flags.isSelecting(options)
    if (options.follow && (named.length > 0 || options.lists.length > 0 || options.retryFailed)) {
      return yield* Failure.usage("--follow finds what it downloads; leave out TARGET, --from and --retry-failed")
    }
    if (options.follow && options.status.some(isUnderWay)) {
      return yield* Failure.usage("--follow downloads what is over: name no status that is not, such as Pending")
    }
    if (options.follow && Option.exists(options.filter, namesStatus)) {
      return yield* Failure.usage("with --follow name a status by --status: what is not over yet is to be seen as well")
    }
    if (!options.follow && named.length === 0 && options.lists.length === 0 && !options.retryFailed && !isSelecting) {
      return yield* Failure.usage(
        "nothing to download; name a TARGET, a list of them with --from FILE (- is standard input), or what to look for, such as --since 24h",
      )
    }
    const environment = yield* Flags.signingIn(options)
    const windows = yield* Flags.windowsOf(options)
    const chosen = { ...options, selection: options, windows }
    if (options.follow) {
      const Collector = yield* loadCollector
      return yield* Effect.provide(Collector.run(chosen), environment)
    }
    const Download = yield* loadDownload
    yield* Effect.provide(Download.run(named, chosen), environment)
  }),
).pipe(
  Command.withShortDescription("Download results: named, listed, looked for, or as they come"),
  Command.withDescription(
    `Download results. Needs the permission ${Permission.describe(Permission.results)}. What is there already is skipped, and what was begun goes on where it stopped.`,
  ),
  Command.withExamples([
    { command: "live-response download 988cc94e-7a8f-4b28-ab65-54970c5d5018:0", description: "One result" },
    { command: "live-response download --from targets.txt --out case-4711", description: "All of a list" },
    {
      command: "live-response download --follow --requestor soc@contoso.com --out collected",
      description: "Left running: every result of every session that ends",
    },
    { command: "cut -f1 hunt.tsv | live-response download --from - --json | jq .event", description: "In a pipe" },
  ]),
)
