/** Tenants for tests, each with an id of its own. */
import * as Tenants from "@live-response/cluster/Tenants"
import * as Schema from "effect/Schema"

const decodeTenant = Schema.decodeSync(Tenants.TenantId)

/** The settings of a tenant that is not signed in to. */
export const named = (name: string): Tenants.NewTenant => ({ name, credential: { kind: "managed" } })

let tenants = 0

/** A tenant of its own for each test. */
export const newTenant = (): Tenants.TenantId =>
  decodeTenant(`00000000-7e4a-4000-8000-${(tenants++).toString(16).padStart(12, "0")}`)
