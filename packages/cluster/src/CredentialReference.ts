/**
 * Where the credential of a tenant is: names, and never a secret.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/** The id of an app or of a managed identity in Entra. */
const ClientId = Schema.String.check(Schema.isGUID())

/**
 * The name of a file in the directory of credentials, which each runner has: `contoso/secret`. It leads nowhere else, so the
 * registry can't name other files of the runners.
 *
 * @since 0.1.0
 * @category schemas
 */
export const FileName = Schema.String.check(
  Schema.isMaxLength(200),
  Schema.isPattern(/^(?!\.\.?(?:\/|$))[\w.-]+(?:\/(?!\.\.?(?:\/|$))[\w.-]+)*$/, {
    expected: "the name of a file in the directory of credentials, such as contoso/secret",
  }),
)

/**
 * An app with a secret, which is in a file.
 *
 * @since 0.1.0
 * @category models
 */
export const App = Schema.Struct({ kind: Schema.tag("app"), clientId: ClientId, file: FileName })

/**
 * An app with a certificate: a PEM file that has the certificate and its private key.
 *
 * @since 0.1.0
 * @category models
 */
export const Certificate = Schema.Struct({ kind: Schema.tag("certificate"), clientId: ClientId, file: FileName })

/**
 * An app that trusts the token of a cluster or a pipeline. Without `file` it is the token at `AZURE_FEDERATED_TOKEN_FILE`.
 *
 * @since 0.1.0
 * @category models
 */
export const Federated = Schema.Struct({
  kind: Schema.tag("federated"),
  clientId: ClientId,
  file: Schema.optionalKey(FileName),
})

/**
 * The managed identity of the runners: the machine's own, or the one with the client id `identity`.
 *
 * **Details**
 *
 * An identity has tokens of its own tenant only. With the `clientId` of a multi-tenant app that trusts the identity, the token is
 * that of the app in the customer's tenant.
 *
 * @see https://learn.microsoft.com/en-us/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity
 * @since 0.1.0
 * @category models
 */
export const Managed = Schema.Struct({
  kind: Schema.tag("managed"),
  identity: Schema.optionalKey(ClientId),
  clientId: Schema.optionalKey(ClientId),
})

/**
 * Any credential that a tenant can refer to.
 *
 * @since 0.1.0
 * @category schemas
 */
export const CredentialReference = Schema.Union([App, Certificate, Federated, Managed])

/**
 * @since 0.1.0
 * @category models
 */
export type CredentialReference = typeof CredentialReference.Type
