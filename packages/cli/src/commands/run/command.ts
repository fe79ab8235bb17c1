/**
 * `live-response run`
 */
import * as Permission from "@live-response/core/Permission"
import * as Session from "@live-response/core/Session"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Failure from "../../Failure.ts"
import * as Flags from "../../flags/Flags.ts"
import * as Machines from "../../input/Machines.ts"
import * as TimeArgument from "../../input/TimeArgument.ts"

/** Help and mistakes are answered before HTTP and files are loaded. */
const loadRun = Effect.promise(() => import("./handler.ts"))

const directory = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flags.nonEmpty("a directory"),
    Flag.optional,
    Flag.withMetavar("DIR"),
    Flag.withDescription(description),
  )

export const run = Command.make(
  "run",
  {
    machines: Argument.String("machine").pipe(
      Argument.variadic(),
      Argument.withMetavar("MACHINE"),
      Argument.withDescription("A machine's id, or its name in full: ws-1.contoso.com"),
    ),
    lists: Flag.String("machines").pipe(
      Flag.atLeast(0),
      Flag.withMetavar("FILE"),
      Flag.withDescription("A list of machines: one a line, JSON lines or .csv with machineId; - is standard input"),
    ),
    putFiles: Flags.words("put-file", "NAME", "First put this file of the library on the machine"),
    script: Flag.String("script").pipe(
      Flag.optional,
      Flag.withMetavar("NAME"),
      Flag.withDescription("Then run this script of the library"),
    ),
    args: Flag.String("args").pipe(
      Flag.optional,
      Flag.withMetavar("TEXT"),
      Flag.withDescription("The script's arguments, as one text"),
    ),
    getFiles: Flags.words("get-file", "PATH", "Then collect this file of the machine, by its full path there"),
    comment: Flag.String("comment").pipe(
      Flag.withDefault("live-response run"),
      Flag.withMetavar("TEXT"),
      Flag.withDescription("Why: it is kept with the machine action"),
    ),
    wait: Flags.toggle("wait", "Wait until all sessions are over; by default until the last one has begun"),
    download: directory("download", "Wait, and download each session's results into DIR as soon as it is over"),
    journal: directory("journal", "Where it is remembered what was begun; by default where results are downloaded to"),
    adopt: Flags.toggle("adopt", "Where another session is under way on a machine, wait for that one instead"),
    retryFailed: Flags.toggle("retry-failed", "Begin again where the session of an earlier run did not succeed"),
    deadline: Flags.time(
      "deadline",
      TimeArgument.parseFuture,
      "how long from now, such as 90m, 24h, 3d, or a date to come, such as 2027-01-31: at most ten years",
    ).pipe(
      Flag.optional,
      Flag.withMetavar("TIME"),
      Flag.withDescription(
        "How long to wait at most: 90m, 24h, 3d, or until a date; by default as long as the service does, three days for a machine that is offline",
      ),
    ),
    sessions: Flag.Int("sessions").pipe(
      Flag.withDefault(25),
      Flags.between(1, 1000),
      Flag.withMetavar("N"),
      Flag.withDescription("How many sessions may be under way at once; the vendor's limit for a tenant is 25"),
    ),
    ...Flags.saving,
    ...Flags.signIn,
    ...Flags.links,
    ...Flags.quota,
    ...Flags.printing,
  },
  Effect.fnUntraced(function* (options) {
    const named = yield* Machines.fromArguments(options.machines)
    if (named.length === 0 && options.lists.length === 0) {
      return yield* Failure.usage(
        "nothing to run on; name a MACHINE, or a list of them with --machines FILE (- is standard input)",
      )
    }
    const session = yield* sessionOf(options)
    const isSaving = Option.isSome(options.download)
    if (options.extract && !isSaving) {
      return yield* Failure.usage("--extract is for what is downloaded: add --download DIR")
    }
    if (options.retryFailed && !isSaving && Option.isNone(options.journal)) {
      return yield* Failure.usage("--retry-failed needs to know what failed: add --download DIR or --journal DIR")
    }
    const environment = yield* Flags.signingIn(options)
    const windows = yield* Flags.windowsOf(options)
    const Run = yield* loadRun
    yield* Run.run(named, {
      ...options,
      session,
      windows,
      directory: Option.getOrUndefined(options.download),
      journal: Option.getOrUndefined(options.journal),
      wait: options.wait || isSaving,
      deadline: Option.getOrUndefined(options.deadline),
    }).pipe(Effect.provide(environment))
  }),
).pipe(
  Command.withShortDescription("Run a script or other commands on machines, and download what they leave"),
  Command.withDescription(
    `Run a live response session on machines: within the service's limits, and never twice on any of them. Needs the permission ${Permission.describe(Permission.run)}; to wait and download also ${Permission.describe(Permission.actions)}. Machines must have ${Session.supportedWindows.join("; ")}.`,
  ),
  Command.withExamples([
    {
      command: "live-response run --machines hosts.txt --script collect.ps1 --download case-4711",
      description: "The whole story; the same command again goes on",
    },
    {
      command: "live-response run 1e5bc9d7e413ddd7902c2932e418702b84d0cc07 --get-file 'C:\\Temp\\a.log' --wait",
      description: "One machine",
    },
  ]),
)

const sessionOf = Effect.fnUntraced(function* (options: {
  readonly putFiles: ReadonlyArray<string>
  readonly script: Option.Option<string>
  readonly args: Option.Option<string>
  readonly getFiles: ReadonlyArray<string>
  readonly comment: string
}) {
  const { args, comment, getFiles, putFiles, script } = options
  if (Option.isSome(args) && Option.isNone(script)) {
    return yield* Failure.usage("--args are a script's: name it with --script NAME")
  }
  if ([comment, ...putFiles, ...getFiles, ...Option.toArray(script)].includes("")) {
    return yield* Failure.usage("--comment, --put-file, --script and --get-file can't be empty")
  }
  const [first, ...rest]: ReadonlyArray<Session.Command> = [
    ...putFiles.map((fileName) => Session.PutFile.make({ fileName })),
    ...Option.toArray(script).map((scriptName) =>
      Session.RunScript.make({ scriptName, ...(Option.isSome(args) ? { args: args.value } : {}) }),
    ),
    ...getFiles.map((path) => Session.GetFile.make({ path })),
  ]
  if (first === undefined) {
    return yield* Failure.usage("nothing to run; name a --script, a --put-file or a --get-file")
  }
  return Session.Session.make({ commands: [first, ...rest], comment })
})
