/** What a runner says of the tenants that other runners have taken from it: a line for each of those runners, and not one a tenant. */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import type { Tenant, TenantId } from "../Tenants.ts"
import type { Service as TenantStatus } from "../TenantStatus.ts"
import * as Background from "./background.ts"
import { collected, Together } from "./together.ts"

export interface LostTenants {
  /** The work on a tenant was stopped because this runner has lost its lock, or because another one has claimed it. */
  readonly lost: (tenant: Pick<Tenant, "name" | "tenant">) => Effect.Effect<void>
}

export interface Options {
  readonly runner: string

  /** What runner has claimed each tenant. */
  readonly runners: TenantStatus["runners"]

  /** Whether a tenant is in the registry and does not run here: then another runner takes it, or has taken it. */
  readonly isElsewhere: (tenant: TenantId) => boolean
}

/** Others claim what they have taken within some two seconds. */
const claimedWithin = "2 seconds"

const shown = 5

const lineOf = (names: ReadonlyArray<string>, runner: string): string => {
  const [few, more] = [names.slice(0, shown), names.length - shown]
  const rest = more > 0 ? ` and ${more} more` : ""
  return `${names.length} ${names.length === 1 ? "tenant" : "tenants"} moved to ${runner}: ${few.join(", ")}${rest}`
}

/** Reports in the background. */
export const make = Effect.fnUntraced(function* ({
  isElsewhere,
  runner,
  runners,
}: Options): Effect.fn.Return<LostTenants, never, Scope.Scope> {
  const pending = new Map<TenantId, string>()
  const isPending = Latch.makeUnsafe(false)

  const report = Effect.gen(function* () {
    yield* isPending.await
    yield* Effect.sleep(claimedWithin)
    const claims = yield* runners
    const moved = new Map<string, Array<string>>()
    for (const { runner: owner = runner, tenant } of claims) {
      const name = pending.get(tenant)
      // Nobody has claimed it yet.
      if (name === undefined || (owner === runner && isElsewhere(tenant))) continue
      pending.delete(tenant)
      if (owner !== runner) moved.set(owner, [...(moved.get(owner) ?? []), name])
    }
    for (const tenant of pending.keys()) if (!claims.some((claim) => claim.tenant === tenant)) pending.delete(tenant)
    if (pending.size === 0) yield* isPending.close
    yield* Effect.forEach(moved, ([owner, names]) => Effect.logInfo(lineOf(names, owner)), { discard: true })
  }).pipe(Effect.ignore)
  yield* Background.repeat("the report of lost tenants", report, "1 second")
  return {
    lost: ({ name, tenant }) =>
      Effect.gen(function* () {
        const { sayOthersNow } = yield* Together
        // Before the line that it has moved.
        yield* sayOthersNow(collected)
        pending.set(tenant, name)
        yield* isPending.open
      }).pipe(Effect.uninterruptible),
  }
})
