/**
 * Tenants of a cluster in words.
 */
import type { CredentialReference } from "@live-response/cluster/CredentialReference"
import { Tenant } from "@live-response/cluster/Tenants"
import * as ActionSelection from "@live-response/core/ActionSelection"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Format from "./Format.ts"
import { printable, printableJson } from "./Printable.ts"
import type * as Table from "./Table.ts"

export const nameOf = ({ name, tenant }: Pick<Tenant, "name" | "tenant">): string => `${printable(name)} (${tenant})`

const credentialOf = (credential: CredentialReference): string => {
  switch (credential.kind) {
    case "app":
    case "certificate":
      return `${credential.kind} ${credential.file}`
    case "federated":
      return credential.file === undefined ? "federated" : `federated ${credential.file}`
    case "managed":
      return credential.identity === undefined ? "managed" : `managed ${credential.identity}`
  }
}

/** The values that select, as the flags name them. */
const selectionOf = (selection: ActionSelection.ActionSelection): string => {
  if (!ActionSelection.isSelecting(selection)) return "all live response"
  const { filter, machine, requestor, since, status, type } = selection
  return [
    ...(since === undefined ? [] : [`since ${Format.dateAndTime(since)}`]),
    ...Object.entries({ status, type, machine, requestor }).flatMap(([field, values]) =>
      values.length === 0 ? [] : [`${field} ${values.join(", ")}`],
    ),
    ...(filter === undefined ? [] : [`filter ${filter}`]),
  ].join("; ")
}

export const columns: ReadonlyArray<Table.Column<Tenant>> = [
  { title: "ID", width: 36, leastWidth: 12, isLast: true, text: ({ tenant }) => tenant },
  { title: "NAME", width: 24, leastWidth: 12, text: ({ name }) => printable(name) },
  { title: "STATE", width: 8, text: ({ enabled }) => (enabled ? "enabled" : "disabled") },
  { title: "CLOUD", width: 10, text: ({ cloud }) => cloud },
  { title: "CREDENTIAL", width: 28, text: ({ credential }) => printable(credentialOf(credential)) },
  { title: "PREFIX", width: 36, text: ({ storagePrefix }) => printable(storagePrefix) },
  { title: "FOLLOWS", width: 20, text: ({ selection }) => printable(selectionOf(selection)) },
]

const encode = Schema.encodeEffect(Schema.fromJsonString(Tenant))

export const toJson = (tenant: Tenant) => Effect.map(Effect.orDie(encode(tenant)), printableJson)

/** What a command did to a tenant. */
const Change = Schema.Literals(["added", "changed", "unchanged", "enabled", "disabled", "removed"])

export type Change = typeof Change.Type

const Changed = Schema.Struct({ ...Tenant.fields, change: Change })

const encodeChanged = Schema.encodeEffect(Schema.fromJsonString(Changed))

export const changeToJson = (tenant: typeof Changed.Type) =>
  Effect.map(Effect.orDie(encodeChanged(tenant)), printableJson)
