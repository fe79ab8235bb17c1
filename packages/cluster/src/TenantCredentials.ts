/**
 * Signs in to the tenants of a cluster.
 *
 * @since 0.1.0
 */
import type * as Cloud from "@live-response/core/Cloud"
import type { Credential } from "@live-response/core/Credential"
import type { CredentialError } from "@live-response/core/CredentialError"
import * as Context from "effect/Context"
import type * as Layer from "effect/Layer"
import type { CredentialReference } from "./CredentialReference.ts"

/**
 * What is signed in to, and with what.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** The id of the customer's tenant: the token is that of an app there. */
  readonly tenant: string
  readonly cloud: Pick<Cloud.Cloud, "authority" | "audience">
  readonly credential: CredentialReference
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** The credential of a tenant. Secrets are read when the layer is built, so that one built again has those of today. */
  readonly layerOf: (options: Options) => Layer.Layer<Credential, CredentialError>
}

/**
 * Makes the credential of a tenant out of its reference.
 *
 * @since 0.1.0
 * @category services
 */
export class TenantCredentials extends Context.Service<TenantCredentials, Service>()(
  "@live-response/cluster/TenantCredentials",
) {}
