/**
 * What `live-response tenants` does: reads and changes the registry of a cluster.
 */
import * as Runs from "@live-response/cluster/Runs"
import * as Tenants from "@live-response/cluster/Tenants"
import * as TenantStatus from "@live-response/cluster/TenantStatus"
import * as Arr from "effect/Array"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as ClusterDatabase from "../../api/ClusterDatabase.ts"
import * as Failure from "../../Failure.ts"
import * as Confirmation from "../../input/Confirmation.ts"
import * as Format from "../../output/Format.ts"
import * as StandardError from "../../output/StandardError.ts"
import { printable } from "../../output/Printable.ts"
import * as RowPrinter from "../../output/RowPrinter.ts"
import * as TenantStatusText from "../../output/TenantStatusText.ts"
import * as TenantText from "../../output/TenantText.ts"

type CommandError = Parameters<typeof Failure.fromError>[0]

/** Runs a command with the registry. */
const withRegistry = <A, E extends CommandError, R>(
  use: Effect.Effect<A, E, R | Tenants.Tenants | TenantStatus.TenantStatus>,
) =>
  use.pipe(
    Effect.provide(Layer.merge(Tenants.layer, TenantStatus.layer).pipe(Layer.provideMerge(ClusterDatabase.layer))),
    Effect.mapError(Failure.fromError),
  )

const decodeId = Schema.decodeUnknownEffect(Tenants.TenantId)

interface Json {
  readonly json: boolean
}

interface Named extends Json {
  readonly tenants: ReadonlyArray<string>
}

/** What was done, in words or as the tenants that it was done to. */
const report = Effect.fnUntraced(function* (
  tenants: ReadonlyArray<Tenants.Tenant>,
  change: TenantText.Change,
  { json }: Json,
  consequence = "",
) {
  for (const tenant of tenants) {
    if (json) yield* Effect.flatMap(TenantText.changeToJson({ ...tenant, change }), Console.log)
    else yield* StandardError.write(`${TenantText.nameOf(tenant)}: ${change}${consequence}`)
  }
})

/** Whether a tenant has other settings than before. Each write raises the revision, also one that changes nothing. */
const changeOf = (before: Tenants.Tenant, after: Tenants.Tenant): TenantText.Change =>
  isSame({ ...before, revision: 0 }, { ...after, revision: 0 }) ? "unchanged" : "changed"

const isSame = Schema.toEquivalence(Tenants.Tenant)

const ofEnabled = ({ enabled }: Tenants.Tenant): string =>
  enabled ? "; its results are collected" : "; it is disabled, so nothing is collected"

/** The tenant that a text names by its id or its name. */
const named = (tenants: ReadonlyArray<Tenants.Tenant>, text: string) => {
  const key = text.toLowerCase()
  const byId = tenants.filter(({ tenant }) => tenant === key)
  const [found, other] = byId.length > 0 ? byId : tenants.filter(({ name }) => name.toLowerCase() === key)
  if (found === undefined) {
    return Effect.fail(Failure.usage(`no tenant has the id or name ${printable(text)}; tenants list shows them all`))
  }
  return other === undefined
    ? Effect.succeed(found)
    : Effect.fail(
        Failure.usage(
          `several tenants have the name ${printable(text)}, such as ${found.tenant} and ${other.tenant}; name one by its id`,
        ),
      )
}

/** The tenant of the registry that a text names. */
export const tenantNamed = (text: string) =>
  Tenants.Tenants.use(({ list }) => Effect.flatMap(list, (tenants) => named(tenants, text)))

/** Every text is looked up before anything is changed. */
const allNamed = Effect.fnUntraced(function* (texts: ReadonlyArray<string>) {
  const { list } = yield* Tenants.Tenants
  const tenants = yield* list
  return Arr.dedupe(yield* Effect.forEach(texts, (text) => named(tenants, text)))
})

/** Refuses a name that has the form of an id: each text names one tenant. */
const checkName = (name: string) =>
  Schema.is(Tenants.TenantId)(name.toLowerCase())
    ? Effect.fail(Failure.usage(`the name ${printable(name)} has the form of a tenant's id; choose another name`))
    : Effect.void

export const add = (text: string, settings: Tenants.NewTenant, options: Json) =>
  withRegistry(
    Effect.gen(function* () {
      const tenant = yield* Effect.mapError(decodeId(text), () =>
        Failure.usage(
          `${printable(text)} is not the id of a tenant, such as e0a8f26e-8b12-4ee4-9ac9-4a4ecb3d1b8f; Entra shows it on its overview`,
        ),
      )
      const { add, get } = yield* Tenants.Tenants
      yield* checkName(settings.name)
      const before = yield* Effect.option(get(tenant))
      yield* add(tenant, settings, { distinctName: true })
      const after = yield* get(tenant)
      const change = Option.match(before, {
        onNone: () => "added" as const,
        onSome: (before) => changeOf(before, after),
      })
      yield* report([after], change, options, ofEnabled(after))
    }),
  )

export const set = (
  options: Json & { readonly tenant: string },
  change: (settings: Tenants.Settings) => Effect.Effect<Tenants.Settings, Failure.Failure>,
) =>
  withRegistry(
    Effect.gen(function* () {
      const [found] = yield* allNamed([options.tenant])
      if (found === undefined) return
      const { get, set } = yield* Tenants.Tenants
      // Those of before this rule may keep their name.
      const { name } = yield* change(found)
      const isRenamed = name !== found.name
      if (isRenamed) yield* checkName(name)
      yield* set(found.tenant, change, { distinctName: isRenamed })
      const after = yield* get(found.tenant)
      yield* report([after], changeOf(found, after), options)
    }),
  )

export const list = (format: RowPrinter.Format | undefined) =>
  withRegistry(
    Effect.gen(function* () {
      const { list } = yield* Tenants.Tenants
      const print = yield* RowPrinter.make({ columns: TenantText.columns, toJson: TenantText.toJson, format })
      yield* Effect.forEach(yield* list, print, { discard: true })
    }),
  )

/** How the work on all tenants goes, or on those that are named. */
export const status = (texts: ReadonlyArray<string>, format: RowPrinter.Format | undefined) =>
  withRegistry(
    Effect.gen(function* () {
      const { list: registry } = yield* Tenants.Tenants
      const { list: statuses } = yield* TenantStatus.TenantStatus
      const tenants = texts.length === 0 ? yield* registry : yield* allNamed(texts)
      const byTenant = new Map((yield* statuses).map((status) => [status.tenant, status]))
      const print = yield* RowPrinter.make({
        columns: TenantStatusText.columns,
        toJson: TenantStatusText.toJson,
        format,
      })
      for (const tenant of tenants) {
        const status = byTenant.get(tenant.tenant)
        // It was removed meanwhile.
        if (status !== undefined) yield* print(TenantStatusText.rowOf(tenant, status))
      }
    }),
  )

export const enable = (options: Named, enabled: boolean) =>
  withRegistry(
    Effect.gen(function* () {
      const { enable, get } = yield* Tenants.Tenants
      for (const { tenant } of yield* allNamed(options.tenants)) {
        yield* enable(tenant, enabled)
        yield* report([yield* get(tenant)], enabled ? "enabled" : "disabled", options)
      }
    }),
  )

/** What the removal of tenants does, for who confirms it. */
const removal = Effect.fnUntraced(function* (tenants: ReadonlyArray<Tenants.Tenant>) {
  const { countOpen } = yield* Runs.Runs
  const counts = yield* Effect.forEach(tenants, ({ tenant }) => countOpen(tenant))
  const open = counts.reduce((sum, count) => sum + count, 0)
  const what = `remove ${tenants.map(TenantText.nameOf).join(", ")} from the registry`
  return open === 0 ? what : `${what}, and cancel ${Format.counted(open, "open run")}`
})

export const remove = (options: Named & { readonly yes: boolean }) =>
  withRegistry(
    Effect.gen(function* () {
      const { remove } = yield* Tenants.Tenants
      const tenants = yield* allNamed(options.tenants)
      yield* Confirmation.confirm(yield* removal(tenants), options)
      for (const each of tenants) {
        yield* remove(each.tenant)
        yield* report([each], "removed", options, "; its results stay")
      }
    }).pipe(Effect.provide(Runs.layer)),
  )
