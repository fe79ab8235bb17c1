import { assert, describe, it } from "@effect/vitest"
import { DefenderError, NotFound } from "@live-response/core/DefenderError"
import * as FleetEvent from "@live-response/core/FleetEvent"
import * as MachineAction from "@live-response/core/MachineAction"
import * as ResultEvent from "@live-response/core/ResultEvent"
import * as Duration from "effect/Duration"
import * as DownloadProgress from "../src/output/DownloadProgress.ts"
import * as SummaryText from "../src/output/SummaryText.ts"
import { machineAt } from "./support/Machines.ts"
import { batch, completed, ended, fleetOf, now, ref, started } from "./support/ProgressSamples.ts"

describe("the summary", () => {
  const summary = (progress: DownloadProgress.DownloadProgress, isResumable = true) =>
    SummaryText.lines(progress, { directory: "out", took: Duration.seconds(5), isResumable })

  it("names the directory of the results only if there are results", () => {
    const where = "The results are in out, listed in its manifest.jsonl."
    assert.deepStrictEqual(summary(batch([])), ["0 downloaded (0 B); 0 links in 5 s."])
    assert.deepStrictEqual(summary(batch([completed(1)])), ["1 downloaded (1.5 MB); 0 links in 5 s.", where])
    assert.include(summary(batch([ResultEvent.Skipped.make({ at: now, ...ref(1), reason: "present" })])), where)
    const failed = batch([])
    DownloadProgress.addBadTarget(failed)
    assert.deepStrictEqual(summary(failed), [
      "0 downloaded (0 B), 1 failed; 0 links in 5 s.",
      "Run the same command again: it resumes where it stopped, and retries what failed.",
    ])
  })

  it("asks to correct what was typed wrong before the command is run again, and never to run the same command", () => {
    const resumes = "it resumes where it stopped, and retries what failed."
    const wrong = (typed: { readonly lines: number; readonly names: number; readonly failed?: number }) => {
      const progress = batch([])
      const { failed = 0, lines, names } = typed
      for (let i = 0; i < lines + names + failed; i++) DownloadProgress.addBadTarget(progress)
      return Object.assign(progress, { wrongLines: lines, wrongNames: names })
    }
    const said = (progress: DownloadProgress.DownloadProgress) => summary(progress).slice(1)
    const correct = (what: string) => [`Correct the ${what} that failed, then run the command again: ${resumes}`]
    assert.deepStrictEqual(said(wrong({ lines: 1, names: 0 })), correct("1 line of your list"))
    assert.deepStrictEqual(said(wrong({ lines: 2, names: 0, failed: 1 })), correct("2 lines of your list"))
    assert.deepStrictEqual(said(wrong({ lines: 0, names: 2, failed: 1 })), correct("2 names"))
    assert.deepStrictEqual(said(wrong({ lines: 1, names: 2 })), correct("1 line of your list and the 2 names"))
    const interrupted = Object.assign(wrong({ lines: 2, names: 0 }), { interrupted: true })
    assert.deepStrictEqual(said(interrupted), correct("2 lines of your list"))
    const stopped = Object.assign(batch([]), { endedByError: true })
    DownloadProgress.addBadTarget(stopped)
    assert.deepStrictEqual(said(stopped), [`Do what the error says, then run the command again: ${resumes}`])
    stopped.wrongNames = 1
    assert.deepStrictEqual(said(stopped), [
      `Do what the error says and correct the 1 name that failed, then run the command again: ${resumes}`,
    ])
    const withoutJournal = (events: ReadonlyArray<FleetEvent.FleetEvent>) =>
      summary(Object.assign(batch([], { fleet: fleetOf(events), isSaving: false }), { wrongNames: 2 }), false).slice(1)
    assert.deepStrictEqual(withoutJournal([]), ["Correct the 2 names that failed, then run the command again."])
    assert.deepStrictEqual(withoutJournal([started(1), ended(1, "Succeeded")]), [
      "Correct the 2 names that failed, then run the command on these alone.",
      "No journal was written (--journal DIR): running the same command again starts new sessions.",
    ])
    const inCluster = SummaryText.lines(wrong({ lines: 0, names: 1 }), {
      directory: "",
      took: Duration.seconds(5),
      isResumable: true,
      inCluster: { run: "7", tenant: "contoso" },
    })
    assert.deepStrictEqual(inCluster.slice(1), [
      "Correct the 1 name that failed, then give the cluster the run again: it retries what failed.",
    ])
  })

  it("names the three most frequent failures, without what differs between results, and how to see each", () => {
    const failed = (n: number, why: string) =>
      ResultEvent.Failed.make({
        at: now,
        ...ref(n),
        message: `${why} ${ref(n).machineActionId}:0 of ${machineAt(n)}: ${String(n).padStart(64, "A")}`,
        error: new DefenderError({ operation: "link", reason: new NotFound({ status: 404 }) }),
        links: 0,
        attempts: 1,
      })
    const events = ["a", "b", "b", "c", "c", "c", "d"].map((why, i) => failed(i + 1, why))
    assert.deepStrictEqual(summary(batch(events)), [
      "0 downloaded (0 B), 7 failed; 0 links in 5 s.",
      "3 × c <id> of <id>: <hash>",
      "2 × b <id> of <id>: <hash>",
      "1 × a <id> of <id>: <hash>",
      "1 other failure: 3 of 4 reasons are shown.",
      "Each of them: live-response report out --open; the counts at any time: live-response status out.",
      "Run the same command again: it resumes where it stopped, and retries what failed.",
    ])
  })

  it("names commands as they are typed, also for a directory with a space in its name", () => {
    const failed = ResultEvent.Failed.make({
      at: now,
      ...ref(1),
      message: "no",
      error: new DefenderError({ operation: "link", reason: new NotFound({ status: 404 }) }),
      links: 0,
      attempts: 1,
    })
    const lines = SummaryText.lines(batch([failed]), {
      directory: "case 4711's",
      took: Duration.seconds(5),
      isResumable: true,
    })
    const directory = String.raw`'case 4711'\''s'`
    assert.include(
      lines,
      `Each of them: live-response report ${directory} --open; the counts at any time: live-response status ${directory}.`,
    )
  })

  it("counts files that were not unpacked, and says that it was interrupted", () => {
    assert.deepStrictEqual(summary(batch([completed(1)], { notExtracted: 1, interrupted: true })), [
      "Interrupted: 1 downloaded (1.5 MB), 1 not unpacked; 0 links in 5 s.",
      "The results are in out, listed in its manifest.jsonl.",
      "Run the same command again: it resumes where it stopped, and retries what failed.",
    ])
  })

  it("says that sessions are of an earlier run, where nothing was started", () => {
    const earlier = (n: number) => FleetEvent.Ended.make({ ...ended(n, "Succeeded"), earlier: true })
    const of = (events: ReadonlyArray<FleetEvent.FleetEvent>) =>
      summary(batch([], { fleet: fleetOf(events), isSaving: false }))
    const [first, one] = of([earlier(1)])
    assert.strictEqual(first, "1 session succeeded in 5 s.")
    assert.match(
      String(one),
      /^1 session is of an earlier run( \(\d{4}-\d\d-\d\d\))?: nothing was started there. Use another --comment for a new one.$/,
    )
    assert.match(String(of([earlier(1), earlier(2)])[1]), /^2 sessions are of an earlier run/)
    assert.isFalse(of([started(1), ended(1, "Succeeded")]).some((line) => line.includes("earlier run")))
  })

  it("counts a target that is named twice apart from what is already present", () => {
    const skipped = (n: number, reason: ResultEvent.Skipped["reason"]) =>
      ResultEvent.Skipped.make({ at: now, ...ref(n), reason })
    const [first] = summary(batch([completed(1), skipped(1, "duplicate"), skipped(2, "present"), skipped(3, "absent")]))
    assert.strictEqual(
      first,
      "1 downloaded (1.5 MB), 1 already present, 1 named more than once, 1 without a result; 0 links in 5 s.",
    )
  })

  it("does not say started of a session that was only resumed or adopted", () => {
    const as = (n: number, as: FleetEvent.Started["as"]) => FleetEvent.Started.make({ ...started(n), as })
    const of = (events: ReadonlyArray<FleetEvent.FleetEvent>, isWaiting: boolean) =>
      SummaryText.lines(batch([], { fleet: fleetOf(events, events.length), isSaving: false }), {
        directory: "out",
        took: Duration.seconds(5),
        isResumable: true,
        isWaiting,
      })
    const howToWait = "To wait until the sessions have finished, run the same command with --wait."
    assert.deepStrictEqual(of([started(1), started(2)], false), ["2 sessions started in 5 s.", howToWait])
    assert.deepStrictEqual(of([as(1, "resumed"), as(2, "resumed")], false), [
      "0 sessions started, 2 resumed in 5 s.",
      howToWait,
    ])
    assert.deepStrictEqual(of([started(1), as(2, "resumed"), as(3, "adopted")], true), [
      "1 session started, 1 resumed, 1 adopted in 5 s.",
      "Run the same command again: it resumes where it stopped, and retries what failed.",
    ])
  })

  it("counts unchecked results, and says what that means", () => {
    const unchecked = ResultEvent.Completed.make({ ...completed(2), unchecked: true })
    assert.deepStrictEqual(summary(batch([completed(1), unchecked])), [
      "2 downloaded (3.0 MB), 1 of them unchecked; 0 links in 5 s.",
      "Unchecked results may be incomplete, because the storage announced neither their length nor an MD5.",
      "The results are in out, listed in its manifest.jsonl.",
    ])
  })

  it("shows why sessions failed, in one line for all that failed alike, the most frequent first", () => {
    const failed = (n: number, errors: ReadonlyArray<string>) => {
      const event = ended(n, "Failed")
      const command = MachineAction.Command.make({
        index: 0,
        type: "RunScript",
        status: "Failed",
        params: { ScriptName: "a.ps1" },
        errors,
      })
      return FleetEvent.Ended.make({
        ...event,
        action: MachineAction.MachineAction.make({ ...event.action, commands: [command] }),
      })
    }
    const events = [1, 2, 3, 4].flatMap((n) => [
      started(n),
      n === 4 ? ended(4, "TimeOut") : failed(n, n === 1 ? ["Not found."] : ["Access\u001b[31m denied."]),
    ])
    const progress = batch([], { fleet: fleetOf(events, 4), isSaving: false })
    assert.deepStrictEqual(summary(progress).slice(0, 4), [
      "0 sessions succeeded, 4 failed in 5 s.",
      "2 × RunScript a.ps1: Access\uFFFD[31m denied.",
      "1 × RunScript a.ps1: Not found.",
      "1 × TimeOut",
    ])
  })

  it("says after Ctrl-C that sessions continue, how to resume and how to cancel them", () => {
    const events = [started(1), started(2), ended(2, "Succeeded"), started(3)]
    const view = (interrupted: boolean) => batch([], { fleet: fleetOf(events, 4), isSaving: false, interrupted })
    const cancel =
      "2 sessions continue at the service. To cancel one: live-response actions cancel ID --comment TEXT; the ids are in live-response actions list --type LiveResponse --status Pending --status InProgress; to cancel all pending sessions of one requestor: live-response actions cancel --all-pending --requestor USER --comment TEXT."
    assert.deepStrictEqual(summary(view(true)), [
      "Interrupted: 1 session succeeded, 2 not finished yet; 1 machine not tried in 5 s.",
      cancel,
      "Run the same command again: it resumes watching the sessions, and starts what is left.",
    ])
    assert.deepStrictEqual(summary(view(true), false), [
      "Interrupted: 1 session succeeded, 2 not finished yet; 1 machine not tried in 5 s.",
      cancel,
      "No journal was written (--journal DIR): running the same command again starts new sessions.",
    ])
    assert.deepStrictEqual(summary(view(false), false).slice(1), [
      "Unfinished sessions continue at the service: see live-response actions list.",
      "No journal was written (--journal DIR): running the same command again starts new sessions.",
    ])
  })

  it("does not mention sessions that continue if there are none", () => {
    const view = batch([], { fleet: fleetOf([started(1), ended(1, "Failed")]), isSaving: false, interrupted: true })
    assert.deepStrictEqual(summary(view), [
      "Interrupted: 0 sessions succeeded, 1 failed in 5 s.",
      "Run the same command again: it resumes where it stopped, and retries what failed.",
      "Failed sessions are started again only with --retry-failed.",
    ])
  })
})
