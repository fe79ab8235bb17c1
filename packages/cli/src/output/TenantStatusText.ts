/**
 * How the work on tenants goes, in words.
 */
import type { Tenant } from "@live-response/cluster/Tenants"
import * as TenantStatus from "@live-response/cluster/TenantStatus"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as ActionText from "./ActionText.ts"
import * as Format from "./Format.ts"
import { printable, printableJson } from "./Printable.ts"
import type * as Table from "./Table.ts"

/** A tenant, and how the work on it goes. */
export interface Row {
  readonly tenant: Pick<Tenant, "tenant" | "name" | "enabled">
  readonly status: TenantStatus.Status
  /** How far it is behind; none before the first search. */
  readonly lag: Option.Option<Duration.Duration>
}

const lagOf = ({ lag }: Row): string => Option.match(lag, { onNone: () => "", onSome: Format.duration })

export const columns: ReadonlyArray<Table.Column<Row>> = [
  { title: "NAME", width: 24, leastWidth: 12, text: ({ tenant }) => printable(tenant.name) },
  { title: "STATE", width: 8, text: ({ tenant }) => (tenant.enabled ? "enabled" : "disabled") },
  { title: "RESULTS", width: 9, text: ({ status }) => String(status.completed) },
  { title: "FAILED", width: 7, text: ({ status }) => String(status.failed) },
  {
    title: "SIZE",
    width: 8,
    isLast: true,
    text: ({ status }) => Format.bytes(status.bytes),
    data: ({ status }) => String(status.bytes),
  },
  { title: "BEHIND", width: 12, text: lagOf },
  { title: "LAST RESULT", width: 28, text: ({ status }) => ActionText.instantOf(status.completedAt) },
  { title: "RUNNER", width: 24, text: ({ status }) => printable(status.runner ?? "") },
  { title: "PROBLEM", width: 20, isEssential: true, text: ({ status }) => printable(status.error ?? "") },
  { title: "ID", width: 36, leastWidth: 12, isLast: true, text: ({ tenant }) => tenant.tenant },
]

const encode = Schema.encodeEffect(TenantStatus.Status)

/** The JSON of a row. `lagSeconds` is `null` before the first search. */
export const toJson = ({ lag, status, tenant: { enabled, name } }: Row) =>
  Effect.map(Effect.orDie(encode(status)), ({ tenant, ...fields }) => {
    const lagSeconds = Option.getOrNull(Option.map(lag, (lag) => Math.round(Duration.toSeconds(lag))))
    return printableJson(JSON.stringify({ tenant, name, enabled, lagSeconds, ...fields }))
  })

export const rowOf = (tenant: Row["tenant"], status: TenantStatus.Status): Row => ({
  tenant,
  status,
  lag: TenantStatus.lagOf(status),
})
