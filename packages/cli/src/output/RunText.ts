/**
 * Runs of a cluster in words.
 */
import { ClusterRun } from "@live-response/cluster/ClusterRun"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Format from "./Format.ts"
import { printable, printableJson } from "./Printable.ts"
import type * as Table from "./Table.ts"

/** The number of machines that need nothing more. */
const done = ({ counts: { failed, notStarted, succeeded, unfinished } }: ClusterRun): number =>
  succeeded + failed + unfinished + notStarted

const stateOf = ({ isCancelling, state }: ClusterRun): string =>
  isCancelling && state === "running" ? "cancelling" : state

export const columns: ReadonlyArray<Table.Column<ClusterRun>> = [
  { title: "ID", width: 36, text: ({ run }) => run },
  { title: "STATE", width: 10, text: stateOf },
  { title: "DONE", width: 13, text: (run) => `${done(run)} of ${run.machines}` },
  { title: "TENANT", width: 20, leastWidth: 12, text: ({ tenantName }) => printable(tenantName) },
  { title: "SUBMITTED", width: 28, text: ({ at }) => Format.dateAndTime(at) },
  { title: "BY", width: 20, text: ({ submittedBy }) => printable(submittedBy) },
  { title: "COMMENT", width: 30, text: ({ session }) => printable(session.comment) },
]

const encode = Schema.encodeEffect(Schema.fromJsonString(ClusterRun))

export const toJson = (run: ClusterRun) => Effect.map(Effect.orDie(encode(run)), printableJson)
