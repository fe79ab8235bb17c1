/**
 * The summary at the end of a command: what was done, and what to do next.
 */
import type * as Duration from "effect/Duration"
import * as CommandText from "./CommandText.ts"
import type { DownloadProgress } from "./DownloadProgress.ts"
import * as FailureReasons from "./FailureReasons.ts"
import * as FleetProgress from "./FleetProgress.ts"
import * as Format from "./Format.ts"
import { printable } from "./Printable.ts"

export interface Options {
  readonly directory: string
  readonly took: Duration.Duration
  /** Whether a journal or manifest lets the same command resume. */
  readonly isResumable: boolean
  /** Whether the command waits until sessions have finished. By default it does. */
  readonly isWaiting?: boolean | undefined
  /** The run of a cluster that was watched, if it is one. */
  readonly inCluster?: InCluster | undefined
}

/** A run of a cluster. */
export interface InCluster {
  readonly run: string
  /** The name of the tenant. */
  readonly tenant: string
}

/** The lines of the summary. */
export const lines = (progress: DownloadProgress, options: Options): ReadonlyArray<string> => {
  const { fleet, isSaving } = progress
  const { inCluster } = options
  const took = Format.duration(options.took)
  const done = [
    ...(fleet === undefined ? [] : [`${sessions(fleet)} in ${took}.`]),
    ...(isSaving ? [`${results(progress)} in ${took}.`] : []),
    ...(fleet === undefined ? [] : ofEarlierRuns(fleet)),
    ...(fleet === undefined ? [] : errors(fleet)),
    ...(progress.summary.unchecked === undefined ? [] : [whatUncheckedMeans]),
    ...(hasResults(progress) ? [whereResultsAre(options)] : []),
    ...(isSaving ? failures(progress, inCluster === undefined ? options.directory : undefined) : []),
  ]
  const reported = done.map((line, i) => (i === 0 && progress.interrupted ? `Interrupted: ${line}` : line))
  if (inCluster !== undefined) return [...reported, ...howItContinues(progress, inCluster)]
  return [
    ...reported,
    ...(fleet !== undefined && progress.interrupted ? howToCancel(fleet) : []),
    ...(options.isResumable
      ? howToResume(progress, options.isWaiting ?? true)
      : fleet === undefined
        ? []
        : whatContinues(progress, fleet)),
  ]
}

const whereResultsAre = ({ directory, inCluster }: Options): string =>
  inCluster === undefined
    ? `The results are in ${directory}, listed in its manifest.jsonl.`
    : `The results are in the store of ${printable(inCluster.tenant)}.`

/** Ctrl-C ends the command that watches a run of a cluster, and not the run. */
const howItContinues = (progress: DownloadProgress, { run }: InCluster): ReadonlyArray<string> => {
  const { fleet, interrupted, summary } = progress
  if (interrupted) {
    return [
      `The run continues in the cluster. Watch it again: live-response runs watch ${run}; end it: live-response runs cancel ${run}.`,
    ]
  }
  const more = fleet === undefined ? 0 : fleet.sessions.unfinished + fleet.sessions.notStarted
  return [
    ...(summary.failed + more > 0
      ? [
          runAgain(
            progress,
            "Give the cluster the same run again: it retries what failed.",
            "give the cluster the run again: it retries what failed.",
          ),
        ]
      : []),
    ...(fleet !== undefined && fleet.sessions.failed > 0
      ? ["Failed sessions are started again only with --retry-failed."]
      : []),
  ]
}

const whatUncheckedMeans =
  "Unchecked results may be incomplete, because the storage announced neither their length nor an MD5."

const hasResults = ({ isSaving, skipped, summary }: DownloadProgress): boolean =>
  isSaving && summary.completed + skipped.present > 0

const results = ({ notExtracted, skipped, summary }: DownloadProgress): string => {
  const { bytes, completed, failed, links, unchecked } = summary
  const parts = [
    `${Format.count(completed)} downloaded (${Format.bytes(bytes)})`,
    ...(unchecked === undefined ? [] : [`${Format.count(unchecked)} of them unchecked`]),
    ...(skipped.present === 0 ? [] : [`${Format.count(skipped.present)} already present`]),
    ...(skipped.duplicate === 0 ? [] : [`${Format.count(skipped.duplicate)} named more than once`]),
    ...(skipped.absent === 0 ? [] : [`${Format.count(skipped.absent)} without a result`]),
    ...(failed === 0 ? [] : [`${Format.count(failed)} failed`]),
    ...(notExtracted === 0 ? [] : [`${Format.count(notExtracted)} not unpacked`]),
  ]
  return `${parts.join(", ")}; ${Format.counted(links, "link")}`
}

/** The most frequent reasons of failed results, and how to see each. */
const failures = ({ reasons }: DownloadProgress, directory: string | undefined): ReadonlyArray<string> =>
  reasons.size === 0
    ? []
    : [...FailureReasons.lines(reasons), ...(directory === undefined ? [] : [whereToLook(directory)])]

const whereToLook = (directory: string): string =>
  `${FailureReasons.whereToLook(directory)}; the counts at any time: live-response status ${CommandText.argument(directory)}.`

/** Sessions that are in progress at the service, as far as is known. */
const inProgress = ({ offline, running, sessions }: FleetProgress.FleetProgress): number =>
  running + offline.size + sessions.unfinished

const sessions = (fleet: FleetProgress.FleetProgress): string => {
  const { failed, notStarted, succeeded } = fleet.sessions
  const open = inProgress(fleet)
  const isOnlyStarted = succeeded + failed === 0 && open > 0
  const parts = [
    ...(isOnlyStarted ? startedOf(fleet, open) : [`${Format.counted(succeeded, "session")} succeeded`]),
    ...(failed === 0 ? [] : [`${Format.count(failed)} failed`]),
    ...(open === 0 || isOnlyStarted ? [] : [`${Format.count(open)} not finished yet`]),
  ]
  const left = FleetProgress.left(fleet)
  const rest = [
    ...(notStarted === 0 ? [] : [`; ${Format.counted(notStarted, "machine")} without a session`]),
    ...(left === 0 ? [] : [`; ${Format.counted(left, "machine")} not tried`]),
  ]
  return `${parts.join(", ")}${rest.join("")}`
}

/** What was only resumed or adopted must not look like a session that was started. */
const startedOf = ({ adopted, resumed }: FleetProgress.FleetProgress, open: number): ReadonlyArray<string> => [
  `${Format.counted(open - resumed - adopted, "session")} started`,
  ...(resumed === 0 ? [] : [`${Format.count(resumed)} resumed`]),
  ...(adopted === 0 ? [] : [`${Format.count(adopted)} adopted`]),
]

/** The same run again starts nothing where its sessions have finished, and must not look like a new one. */
const ofEarlierRuns = ({ earlier: { at, count } }: FleetProgress.FleetProgress): ReadonlyArray<string> => {
  if (count === 0) return []
  const when = at === undefined ? "" : ` (${Format.date(at)})`
  const what = `${Format.counted(count, "session")} ${count === 1 ? "is" : "are"} of an earlier run${when}`
  return [`${what}: nothing was started there. Use another --comment for a new one.`]
}

const mostErrors = 10

/** Why sessions failed: one line for all that failed alike. */
const errors = (fleet: FleetProgress.FleetProgress): ReadonlyArray<string> => {
  const all = FleetProgress.errorsOf(fleet)
  const rest = all.slice(mostErrors)
  return [
    ...all.slice(0, mostErrors).map(({ count, message }) => `${Format.count(count)} × ${printable(message)}`),
    ...(rest.length === 0 ? [] : [`${Format.count(rest.reduce((sum, { count }) => sum + count, 0))} × other errors`]),
  ]
}

/** Ctrl-C ends this program but no session, which the user may want to end too. */
const howToCancel = (fleet: FleetProgress.FleetProgress): ReadonlyArray<string> => {
  const open = inProgress(fleet)
  if (open === 0) return []
  return [
    `${Format.counted(open, "session")} ${open === 1 ? "continues" : "continue"} at the service. To cancel one: live-response actions cancel ID --comment TEXT; the ids are in live-response actions list --type LiveResponse --status Pending --status InProgress; to cancel all pending sessions of one requestor: live-response actions cancel --all-pending --requestor USER --comment TEXT.`,
  ]
}

/** What was typed wrong, which fails again until somebody corrects it. */
const toCorrect = ({ wrongLines, wrongNames }: DownloadProgress): string | undefined => {
  const typed = [
    ...(wrongLines === 0 ? [] : [`${Format.counted(wrongLines, "line")} of your list`]),
    ...(wrongNames === 0 ? [] : [Format.counted(wrongNames, "name")]),
  ]
  return typed.length === 0 ? undefined : `Correct the ${typed.join(" and the ")} that failed`
}

/** How the next run gets further: by the same command only if that is not what was wrong, and nothing else ended it. */
const runAgain = (progress: DownloadProgress, unchanged: string, corrected: string): string => {
  const steps = [progress.endedByError ? "Do what the error says" : undefined, toCorrect(progress)]
  const [first, second] = steps.filter((step) => step !== undefined)
  if (first === undefined) return unchanged
  return `${first}${second === undefined ? "" : ` and ${lowerFirst(second)}`}, then ${corrected}`
}

const lowerFirst = (text: string): string => `${text.slice(0, 1).toLowerCase()}${text.slice(1)}`

const howToResume = (progress: DownloadProgress, isWaiting: boolean): ReadonlyArray<string> => {
  const { fleet, interrupted, summary } = progress
  const open = fleet === undefined ? 0 : inProgress(fleet)
  const rest = fleet === undefined ? 0 : fleet.sessions.notStarted + FleetProgress.left(fleet)
  const more = rest + (isWaiting ? open : 0)
  const next =
    interrupted && open > 0
      ? "resumes watching the sessions, and starts what is left"
      : "resumes where it stopped, and retries what failed"
  return [
    ...(interrupted || summary.failed + more > 0
      ? [runAgain(progress, `Run the same command again: it ${next}.`, `run the command again: it ${next}.`)]
      : []),
    ...(open > 0 && !isWaiting ? ["To wait until the sessions have finished, run the same command with --wait."] : []),
    ...(fleet !== undefined && fleet.sessions.failed > 0
      ? ["Failed sessions are started again only with --retry-failed."]
      : []),
  ]
}

/** Without a journal nothing can be resumed. */
const whatContinues = (progress: DownloadProgress, fleet: FleetProgress.FleetProgress): ReadonlyArray<string> => {
  const correct = toCorrect(progress)
  const hasStarted = fleet.sessions.started > 0
  return [
    ...(inProgress(fleet) === 0 || progress.interrupted
      ? []
      : ["Unfinished sessions continue at the service: see live-response actions list."]),
    ...(correct === undefined ? [] : [`${correct}, then run the command ${hasStarted ? "on these alone" : "again"}.`]),
    ...(hasStarted
      ? ["No journal was written (--journal DIR): running the same command again starts new sessions."]
      : []),
  ]
}
