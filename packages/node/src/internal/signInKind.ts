/** Which way to sign in applies, by what the environment has. */
import * as Schema from "effect/Schema"

/** The ways to sign in. `NodeCredential.Kind` describes them. */
export const Kind = Schema.Literals([
  "token",
  "default",
  "secret",
  "certificate",
  "managed-identity",
  "workload-identity",
  "cli",
  "device-code",
  "browser",
])

/** The settings that decide. */
interface Settings {
  readonly kind: typeof Kind.Type | undefined
  readonly token: unknown
  readonly tokenFile: string | undefined
  readonly clientSecret: unknown
  readonly clientSecretFile: string | undefined
  readonly certificatePath: string | undefined
  readonly federatedTokenFile: string | undefined
}

/** The way to sign in: the one that was chosen, else the one that the environment has a secret for. */
export const kindOf = (settings: Settings): typeof Kind.Type => {
  if (settings.kind !== undefined && settings.kind !== "default") return settings.kind
  if (settings.kind === undefined && (settings.token ?? settings.tokenFile) !== undefined) return "token"
  if (settings.clientSecret !== undefined || settings.clientSecretFile !== undefined) return "secret"
  if (settings.certificatePath !== undefined) return "certificate"
  return settings.federatedTokenFile === undefined ? "default" : "workload-identity"
}
