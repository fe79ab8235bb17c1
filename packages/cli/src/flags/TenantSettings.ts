/**
 * Flags for what an administrator decides about a tenant of a cluster.
 */
import type { CredentialReference } from "@live-response/cluster/CredentialReference"
import type { Settings } from "@live-response/cluster/Tenants"
import * as ActionSelection from "@live-response/core/ActionSelection"
import * as Cloud from "@live-response/core/Cloud"
import type * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Struct from "effect/Struct"
import * as Failure from "../Failure.ts"
import * as FlagTypes from "./FlagTypes.ts"
import * as Selection from "./Selection.ts"

const kinds = ["app", "certificate", "federated", "managed"] as const

const isId = (text: string): boolean => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)

const id = (name: string, sentence: string) =>
  Flag.String(name).pipe(
    Flag.filter(isId, () => "an id of Entra, such as 1f6a3c7a-6c2b-4f0e-b6b1-2c8f6d8f5c11"),
    Flag.optional,
    Flag.withMetavar("ID"),
    FlagTypes.describe(sentence),
  )

const text = (name: string, metavar: string, sentence: string, facts?: FlagTypes.Facts) =>
  FlagTypes.text(name).pipe(Flag.optional, Flag.withMetavar(metavar), FlagTypes.describe(sentence, facts))

export const flags = {
  name: text("name", "NAME", "The name of the tenant in messages"),
  credential: Flag.Literals("credential", kinds).pipe(
    Flag.optional,
    Flag.withMetavar("KIND"),
    FlagTypes.describe(
      "How runners sign in: as an app with a secret, a certificate or a federated token, or with a managed identity",
    ),
  ),
  clientId: id("client-id", "The app that signs in; with --credential managed an app that trusts the identity"),
  credentialFile: text(
    "credential-file",
    "NAME",
    "The file of the secret, certificate or token, below LIVE_RESPONSE_CREDENTIALS of each runner",
    { values: "such as contoso/secret" },
  ),
  identity: id("identity", "With --credential managed: the client id of a user-assigned identity"),
  cloud: Flag.Literals("cloud", Cloud.Name.literals).pipe(
    Flag.optional,
    Flag.withMetavar("CLOUD"),
    FlagTypes.describe("The tenant's cloud", { default: "commercial" }),
  ),
  endpoint: FlagTypes.url("endpoint", "Base URL of the API", { default: "the cloud's" }),
  authority: FlagTypes.url("authority", "URL of the sign-in server", { default: "the cloud's" }),
  storagePrefix: text("storage-prefix", "PATH", "Where the results are in the object store", {
    default: "the tenant's id",
  }),
  ...Selection.flags,
}

export type Options = Command.Command.Config.Infer<typeof flags>

/** The parts of a reference, as far as they are known. */
type Parts = Partial<Record<"clientId" | "file" | "identity", string>>

/** What each kind needs, and what it may have. */
const parts = {
  app: { needs: ["clientId", "file"], has: [] },
  certificate: { needs: ["clientId", "file"], has: [] },
  federated: { needs: ["clientId"], has: ["file"] },
  managed: { needs: [], has: ["clientId", "identity"] },
} as const satisfies Record<CredentialReference["kind"], Record<"needs" | "has", ReadonlyArray<keyof Parts>>>

const flagOf = { clientId: "--client-id", file: "--credential-file", identity: "--identity" } as const

const referenceOf = (
  kind: CredentialReference["kind"],
  { clientId = "", file = "", identity }: Parts,
): CredentialReference => {
  switch (kind) {
    case "app":
    case "certificate":
      return { kind, clientId, file }
    case "federated":
      return { kind, clientId, ...(file === "" ? {} : { file }) }
    case "managed":
      return { kind, ...(clientId === "" ? {} : { clientId }), ...(identity === undefined ? {} : { identity }) }
  }
}

const partsOf = (reference: CredentialReference): Parts => Struct.omit(reference, ["kind"])

/** A field, if its flag is given. */
const given = <A, B extends object>(value: Option.Option<A>, field: (value: A) => B): B | object =>
  Option.match(value, { onNone: () => ({}), onSome: field })

/** The reference that the flags make: one of another kind takes nothing of the one that it replaces. */
const credentialOf = Effect.fnUntraced(function* (options: Options, current?: CredentialReference) {
  const kind = Option.getOrElse(options.credential, () => current?.kind)
  const typed: Parts = {
    ...given(options.clientId, (clientId) => ({ clientId })),
    ...given(options.credentialFile, (file) => ({ file })),
    ...given(options.identity, (identity) => ({ identity })),
  }
  if (kind === undefined) {
    return yield* Failure.usage(`name the tenant's credential with --credential ${kinds.join(", ")}`)
  }
  const { has, needs } = parts[kind]
  const known: Parts = { ...(current?.kind === kind ? partsOf(current) : {}), ...typed }
  const allowed = new Set<string>([...needs, ...has])
  const absent = needs.find((part) => known[part] === undefined)
  if (absent !== undefined) return yield* Failure.usage(`--credential ${kind} needs ${flagOf[absent]}`)
  for (const part of ["clientId", "file", "identity"] as const) {
    if (typed[part] !== undefined && !allowed.has(part)) {
      return yield* Failure.usage(`--credential ${kind} has no ${flagOf[part]}`)
    }
  }
  return referenceOf(kind, known)
})

/** The selection that the flags make out of another one: a field that is given replaces that one's. */
const selectionOf = (
  options: Selection.Selection,
  current: ActionSelection.ActionSelection,
  now: DateTime.Utc,
): ActionSelection.ActionSelection => {
  const { machine, requestor, status, type, ...rest } = Selection.resolve(options, now)
  return {
    ...current,
    ...rest,
    ...(machine.length > 0 ? { machine } : {}),
    ...(requestor.length > 0 ? { requestor } : {}),
    ...(status.length > 0 ? { status } : {}),
    ...(type.length > 0 ? { type } : {}),
  }
}

const clouds = ({ authority, cloud, endpoint }: Options) => ({
  ...given(cloud, (cloud) => ({ cloud })),
  ...given(endpoint, (endpoint) => ({ endpoint })),
  ...given(authority, (authority) => ({ authority })),
})

/** The settings of a new tenant. */
export const added = Effect.fnUntraced(function* (options: Options) {
  const name = yield* Effect.mapError(Effect.fromOption(options.name), () =>
    Failure.usage("name the tenant with --name, as messages will call it"),
  )
  const selection = selectionOf(options, ActionSelection.everything, yield* DateTime.now)
  const credential = yield* credentialOf(options)
  return {
    name,
    credential,
    selection,
    ...clouds(options),
    ...given(options.storagePrefix, (storagePrefix) => ({ storagePrefix })),
  }
})

/** The settings of a tenant, changed as the flags say. `everything` removes its selection first. */
export const changed = Effect.fnUntraced(function* (options: Options, everything: boolean, current: Settings) {
  const selection = everything ? ActionSelection.everything : current.selection
  // The addresses of another cloud do not stay.
  const kept = Option.isSome(options.cloud) ? Struct.omit(current, ["authority", "endpoint"]) : current
  return {
    ...kept,
    ...given(options.name, (name) => ({ name })),
    ...clouds(options),
    ...given(options.storagePrefix, (storagePrefix) => ({ storagePrefix })),
    selection: selectionOf(options, selection, yield* DateTime.now),
    credential: yield* credentialOf(options, current.credential),
  } satisfies Settings
})
