/** What the errors of Entra mean. */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/** An error as OAuth and Entra send it. */
export const ErrorAnswer = Schema.Struct({
  error: Schema.String,
  error_description: Schema.optional(Schema.String),
  correlation_id: Schema.optional(Schema.String),
})

export const decodeErrorAnswer = Schema.decodeUnknownOption(Schema.fromJsonString(ErrorAnswer))

/** The number behind `AADSTS`, wherever it stands in a text. */
export const codeOf = (text: string): Option.Option<number> =>
  Option.map(Option.fromNullishOr(/AADSTS(\d{1,9})(?!\d)/.exec(text)?.[1]), Number)

/** The correlation id that follows Entra's sentences. */
export const correlationIdOf = (text: string): Option.Option<string> =>
  Option.fromNullishOr(/Correlation ID: ([0-9a-f-]+)/i.exec(text)?.[1])

/** The first sentence, from the code on. What surrounds it is for programs. */
export const firstSentence = (text: string): string =>
  text
    .replace(/^.*?(?=AADSTS)/s, "")
    .split(/(?<=\.)\s|\r?\n|\s(?=Trace ID:)/, 1)
    .join()
    .trim()

/** The next step for a code. Entra's own page explains the others. */
const byCode: Readonly<Record<number, string>> = {
  7000215: "take the secret's value, not its id",
  7000222: "create a new one in Entra: app registrations, certificates & secrets",
  7000112: "the app is disabled; enable it in Entra: enterprise applications",
  7000218: "allow public client flows for the app in Entra: app registrations, authentication",
  700016: "check the app (AZURE_CLIENT_ID), and that it is in this tenant (AZURE_TENANT_ID)",
  700024: "check this machine's clock",
  700027: "upload the certificate to the app in Entra: app registrations, certificates & secrets",
  700213: "check issuer, subject and audience of the app's federated credential",
  90002: "check the tenant (AZURE_TENANT_ID), and the cloud that it is in",
  900023: "check the tenant (AZURE_TENANT_ID): its id, or a domain of it",
  500011: "check the audience and the cloud; is Defender for Endpoint set up in this tenant?",
  50105: "assign the user to the app in Entra: enterprise applications",
  53003: "conditional access forbids it; ask the administrator of its policies",
  65001: "ask an administrator to consent to the app's permissions",
  70021: "check issuer, subject and audience of the app's federated credential",
  50034: "check the user's name and the tenant (AZURE_TENANT_ID)",
}

/** The next step for an error without a known code. */
const byError = new Map(
  Object.entries({
    invalid_client: "check the app's secret or certificate",
    unauthorized_client: "check the app (AZURE_CLIENT_ID) and what it may do",
    invalid_scope: "check the audience and the cloud",
    access_denied: "the sign-in was declined; try again",
    authorization_declined: "the sign-in was declined; try again",
    expired_token: "the code was not entered in time; try again",
    bad_verification_code: "try again",
    interaction_required: "sign in again, with a browser or a device code",
    invalid_grant: "sign in again",
  }),
)

/** The next step after a refusal. */
export const nextStep = (error: string, code: number | undefined): string =>
  (code === undefined ? undefined : byCode[code]) ??
  byError.get(error) ??
  (code === undefined
    ? "check the tenant, the app and its secret"
    : `see https://login.microsoftonline.com/error?code=${code}`)

/** Whether Entra itself is in trouble. */
export const isTrouble = (error: string): boolean => error === "temporarily_unavailable" || error === "server_error"
