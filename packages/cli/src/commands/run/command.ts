/**
 * `live-response run`
 */
import * as Permission from "@live-response/core/Permission"
import * as ScriptArguments from "@live-response/core/ScriptArguments"
import * as Session from "@live-response/core/Session"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Failure from "../../Failure.ts"
import * as BatchOptions from "../../flags/BatchOptions.ts"
import * as FlagTypes from "../../flags/FlagTypes.ts"
import * as Listen from "../../flags/Listen.ts"
import * as MachineSelection from "../../flags/MachineSelection.ts"
import * as Printing from "../../flags/Printing.ts"
import * as Quota from "../../flags/Quota.ts"
import * as SignIn from "../../flags/SignIn.ts"
import * as Yes from "../../flags/Yes.ts"
import * as LibraryName from "../../input/LibraryName.ts"
import * as Machines from "../../input/MachineArguments.ts"
import { manyMachines } from "../../input/Confirmation.ts"
import * as TimeArgument from "../../input/TimeArgument.ts"
import * as FlagModes from "./flagModes.ts"

/** Help and usage errors do not load what calls the API. */
const loadHandler = Effect.promise(() => import("./handler.ts"))

/** What every run has, with words of its command: the default comment, and what `--yes` confirms besides what all do. */
const parametersOf = (defaultComment: string, confirmed: string) => ({
  comment: Flag.String("comment").pipe(
    Flag.withDefault(defaultComment),
    Flag.withMetavar("TEXT"),
    FlagTypes.describe("The reason, which is stored with the machine action", { default: defaultComment }),
  ),
  yes: Yes.flag(`${confirmed}cancel sessions of others, and run on a selection of more than ${manyMachines} machines`),
})

/** What every run has, whatever it does on the machines. */
const sharedParameters = {
  machines: Argument.String("machine").pipe(
    Argument.variadic(),
    Argument.withMetavar("MACHINE"),
    Argument.withDescription("A machine's id, or its full DNS name, such as ws-1.contoso.com"),
  ),
  lists: FlagTypes.lists(
    "machines",
    "A list of machines: one per line, JSON lines, or .csv with the column machineId; - is standard input; may be repeated",
  ),
  ...MachineSelection.flags,
  wait: FlagTypes.toggle("wait", "Wait until all sessions have finished; without it, only until they have started"),
  download: FlagTypes.directory("download", "Wait, and download each session's results into DIR when it has finished"),
  journal: FlagTypes.directory(
    "journal",
    "Record the started sessions in DIR, so that the same command starts none of them again",
    { default: "the directory of --download" },
  ),
  dryRun: FlagTypes.toggle(
    "dry-run",
    "Show which machines would get a session, and what that costs in quota and time; start and upload nothing",
  ),
  adopt: FlagTypes.toggle("adopt", "If another session is in progress on a machine, wait for that session instead"),
  cancelBlocking: FlagTypes.toggle(
    "cancel-blocking",
    "If another session is in progress on a machine, cancel it and start this one",
  ),
  retryFailed: FlagTypes.toggle("retry-failed", "Start a new session where the session of an earlier run failed"),
  deadline: FlagTypes.time(
    "deadline",
    TimeArgument.parseFuture,
    "how long from now, such as 90m, 24h, 3d, or a future date, such as 2027-01-31: at most ten years",
  ).pipe(
    FlagTypes.describe("How long to wait for sessions", {
      values: "90m, 24h or 3d from now, or a date such as 2027-01-31",
      default: "until the service gives up, after two hours for a machine that is offline",
    }),
  ),
  sessions: FlagTypes.wholeNumber("sessions", 1, 1000, "LIVE_RESPONSE_SESSIONS").pipe(
    Flag.optional,
    FlagTypes.describe("How many sessions are in progress at once", {
      values: FlagTypes.range(1, 1000),
      default: `${Session.limits.atOnce}, Microsoft's limit for a tenant`,
      env: "LIVE_RESPONSE_SESSIONS",
    }),
  ),
  cluster: Flag.String("cluster").pipe(
    FlagTypes.notBlank("a tenant"),
    Flag.optional,
    Flag.withMetavar("TENANT"),
    FlagTypes.describe(
      "Give the run to the cluster at LIVE_RESPONSE_DATABASE_URL, for this tenant of its registry, and watch it: runners start the sessions and download the results into the tenant's store",
    ),
  ),
  detach: FlagTypes.toggle("detach", "With --cluster: print the id of the run when it is queued, and do not watch it"),
  listen: Listen.flag,
  ...BatchOptions.flags,
  ...SignIn.flags,
  ...SignIn.storageHosts,
  ...Quota.flags,
  ...Printing.flags,
  ...Printing.progress,
}

/** The parameters of `collect-package`. */
export const packageParameters = { ...parametersOf("live-response collect-package", ""), ...sharedParameters }

/** Help lists them in this order: first what runs. */
const sessionParameters = {
  putFiles: FlagTypes.texts(
    "put-file",
    "FILE",
    "First put this file of the library on the machine; a path such as ./tool.exe is a file of this machine, which is uploaded to the library; may be repeated",
  ),
  script: Flag.String("script").pipe(
    Flag.optional,
    Flag.withMetavar("FILE"),
    FlagTypes.describe(
      "Then run this script of the library; a path such as ./collect.ps1 is a file of this machine, which is uploaded to the library",
    ),
  ),
  args: Flag.String("args").pipe(
    Flag.optional,
    Flag.withMetavar("TEXT"),
    FlagTypes.describe("Arguments of the script, as one string, without ; & | ! $ ( and )"),
  ),
  getFiles: FlagTypes.texts(
    "get-file",
    "PATH",
    "Then collect this file from the machine, by its full path there; may be repeated",
  ),
  ...parametersOf("live-response run", "upload files of this machine, "),
  ...sharedParameters,
}

/** The flags of every run. */
export type Options = Command.Command.Config.Infer<typeof packageParameters>

type SessionOptions = Command.Command.Config.Infer<typeof sessionParameters>

const flagModes: FlagModes.FlagModes<keyof Options> = FlagModes.flagModes

const modeOf = ({ cluster, download }: Options): FlagModes.Mode => {
  if (Option.isSome(cluster)) return "cluster"
  return Option.isSome(download) ? "download" : "sessions"
}

/** What is wrong with a combination of flags, if anything is. */
const problemOf = (options: Options): Effect.Effect<string | undefined> => {
  const mode = modeOf(options)
  if (options.detach && mode !== "cluster") return Effect.succeed("--detach needs --cluster TENANT")
  if (options.detach && options.wait) return Effect.succeed("choose either --detach or --wait")
  if (options.adopt && options.cancelBlocking) {
    return Effect.succeed(
      "choose either --adopt or --cancel-blocking: the session in the way is waited for or cancelled",
    )
  }
  if (options.retryFailed && mode === "sessions" && Option.isNone(options.journal)) {
    return Effect.succeed(
      "--retry-failed reads which sessions failed from a journal: add --download DIR or --journal DIR",
    )
  }
  return Effect.flatMap(FlagModes.problemOf(flagModes, mode), (problem) =>
    problem === undefined ? BatchOptions.problemOf(options) : Effect.succeed(problem),
  )
}

/** The session that the flags describe. */
const sessionOf = Effect.fnUntraced(function* ({ args, comment, getFiles, putFiles, script }: SessionOptions) {
  if (Option.isSome(args) && Option.isNone(script)) {
    return yield* Failure.usage("--args needs --script FILE")
  }
  const refused = ScriptArguments.refusedCharacters(Option.getOrElse(args, () => ""))
  if (refused.length > 0) {
    return yield* Failure.usage(
      `--args has ${refused.join(" ")}, which live response refuses; leave them out, or put them into the script`,
    )
  }
  if ([comment, ...putFiles, ...getFiles, ...Option.toArray(script)].includes("")) {
    return yield* Failure.usage("--comment, --put-file, --script and --get-file can't be empty")
  }
  const [first, ...rest]: ReadonlyArray<Session.Command> = [
    ...putFiles.map((file) => Session.PutFile.make({ fileName: LibraryName.of(file) })),
    ...Option.toArray(script).map((file) =>
      Session.RunScript.make({
        scriptName: LibraryName.of(file),
        ...(Option.isSome(args) ? { args: args.value } : {}),
      }),
    ),
    ...getFiles.map((path) => Session.GetFile.make({ path })),
  ]
  if (first === undefined) {
    return yield* Failure.usage("nothing to run; add --script FILE, --put-file FILE or --get-file PATH")
  }
  return Session.Session.make({ commands: [first, ...rest], comment })
})

/** Runs a session on the machines that the flags name or select. */
export const runSession = Effect.fnUntraced(function* (
  options: Options,
  session: Effect.Effect<Session.Session, Failure.Failure>,
  libraryFiles: ReadonlyArray<string>,
) {
  const machines = yield* Machines.fromArguments(options.machines)
  const isSelecting = MachineSelection.isSelecting(options)
  if (machines.length === 0 && options.lists.length === 0 && !isSelecting) {
    return yield* Failure.usage(
      "no machine to run on; name a MACHINE, a list of machines with --machines FILE (- is standard input), or select machines with flags such as --tag",
    )
  }
  const described = yield* session
  const problem = yield* problemOf(options)
  if (problem !== undefined) return yield* Failure.usage(problem)
  const environment = yield* SignIn.environment(options)
  const windows = yield* Quota.windows(options)
  const handler = yield* loadHandler
  yield* handler
    .run(machines, {
      ...options,
      selection: isSelecting ? options : undefined,
      libraryFiles,
      session: described,
      windows,
      directory: Option.getOrUndefined(options.download),
      journal: Option.getOrUndefined(options.journal),
      cluster: Option.getOrUndefined(options.cluster),
      wait: options.wait || Option.isSome(options.download),
      deadline: Option.getOrUndefined(options.deadline),
      sessions: Option.getOrUndefined(options.sessions),
    })
    .pipe(Effect.provide(environment))
})

export const run = Command.make("run", sessionParameters, (options) =>
  runSession(options, sessionOf(options), [...options.putFiles, ...Option.toArray(options.script)]),
).pipe(
  Command.withShortDescription("Run a script or other commands on machines, and download the results"),
  Command.withDescription(
    `Run a live response session on machines, within the service's limits: the machines that are named, and those that are selected. No machine gets the session twice, even if this command is killed and run again. Needs the permission ${Permission.describe(Permission.run)}; to wait and download also ${Permission.describe(Permission.actions)}; to check and upload scripts ${Permission.describe(Permission.library)}; to select machines ${Permission.describe(Permission.machines)}. Machines must run ${Session.supportedSystems.join("; ")}.`,
  ),
  Command.withExamples([
    {
      command: "live-response run --machines hosts.txt --script collect.ps1 --download case-4711",
      description: "Run, wait and download; the same command again resumes",
    },
    {
      command: "live-response run --tag incident-42 --os Windows11 --script ./collect.ps1 --download case-4711",
      description: "On the machines with a tag, with a script of this machine",
    },
    {
      command: "live-response run 1e5bc9d7e413ddd7902c2932e418702b84d0cc07 --get-file 'C:\\Temp\\a.log' --wait",
      description: "One machine",
    },
  ]),
)
