/** Where each flag of `run` has an effect. A flag that has none is refused, because its user expects one. */
import * as Effect from "effect/Effect"
import * as CommandLine from "../../flags/CommandLine.ts"

/** How a run is executed: by the cluster, or by this machine, which downloads its results or does not. */
export type Mode = "cluster" | "download" | "sessions"

/** The modes in which each flag has an effect, by its option. */
export type FlagModes<Option extends string = string> = Readonly<Record<Option, ReadonlyArray<Mode>>>

const everywhere: ReadonlyArray<Mode> = ["cluster", "download", "sessions"]
const onThisMachine: ReadonlyArray<Mode> = ["download", "sessions"]
const ofDownloads: ReadonlyArray<Mode> = ["download"]

/** Of every flag: the command does not compile while one is missing. */
export const flagModes = {
  machines: everywhere,
  lists: everywhere,
  tag: everywhere,
  group: everywhere,
  os: everywhere,
  health: everywhere,
  risk: everywhere,
  name: everywhere,
  lastSeen: everywhere,
  filter: everywhere,
  comment: everywhere,
  yes: everywhere,
  // A run of the cluster is watched until it has finished, also without it.
  wait: everywhere,
  adopt: everywhere,
  cancelBlocking: everywhere,
  retryFailed: everywhere,
  deadline: everywhere,
  sessions: everywhere,
  cluster: everywhere,
  detach: everywhere,
  auth: everywhere,
  tokenFile: everywhere,
  cloud: everywhere,
  endpoint: everywhere,
  authority: everywhere,
  audience: everywhere,
  retries: everywhere,
  timeout: everywhere,
  giveUpAfter: everywhere,
  notify: everywhere,
  json: everywhere,
  quiet: everywhere,
  noProgress: everywhere,
  dryRun: onThisMachine,
  journal: onThisMachine,
  download: ofDownloads,
  listen: ofDownloads,
  concurrency: ofDownloads,
  extract: ofDownloads,
  maxExtract: ofDownloads,
  maxExtractTotal: ofDownloads,
  maxBytes: ofDownloads,
  maxTotal: ofDownloads,
  minFree: ofDownloads,
  limitRate: ofDownloads,
  anyStorageHost: ofDownloads,
  perMinute: ofDownloads,
  perHour: ofDownloads,
  windows: ofDownloads,
  polite: ofDownloads,
} satisfies FlagModes

/** The flags whose name is not the one of their option. */
const otherNames: Readonly<Record<string, ReadonlyArray<string>>> = {
  concurrency: ["--concurrency", "-j"],
  windows: ["--window"],
}

const namesOf = (option: string): ReadonlyArray<string> =>
  otherNames[option] ?? [`--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`]

/** The flags that were typed and have no effect, by their names. */
const typedInVain = (modesOf: FlagModes, mode: Mode): Effect.Effect<ReadonlyArray<string>> =>
  CommandLine.typed(Object.entries(modesOf).flatMap(([option, modes]) => (modes.includes(mode) ? [] : namesOf(option))))

/** What is wrong with the flags of a run in this mode, if anything is. */
export const problemOf = (modesOf: FlagModes, mode: Mode): Effect.Effect<string | undefined> =>
  Effect.map(typedInVain(modesOf, mode), (flags) => {
    if (flags.length === 0) return undefined
    if (flags.includes("--dry-run")) return "--dry-run shows what this machine would do: leave out --cluster"
    const names = flags.join(", ")
    return mode === "cluster"
      ? `--cluster leaves to the runners where and how results are stored: leave out ${names}`
      : `a run without --download downloads nothing: add --download DIR, or leave out ${names}`
  })
