/** Error answers of the simulated services. */
import * as Data from "effect/Data"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

/** A request that the API rejects. */
export class Rejection extends Data.Class<{
  readonly status: number
  readonly code: string
  readonly message: string
}> {}

export const reject = (status: number, code: string, message: string): Rejection =>
  new Rejection({ status, code, message })

export const apiError = (status: number, code: string, message: string, headers?: Record<string, string>) =>
  HttpServerResponse.jsonUnsafe(
    { error: { code, message, target: "43f4cb08-8fac-4b65-9db1-745c2ae65f3a" } },
    { status, ...(headers === undefined ? {} : { headers }) },
  )

/** The API's 429. Its message names the seconds to wait, and so does `Retry-After` if `hasHeader`. */
export const tooManyRequests = (limit: number, window: string, seconds: number, hasHeader: boolean) =>
  apiError(
    429,
    "429",
    `API calls quota exceeded! Maximum allowed ${limit} per ${window} for the key Destination+TenantID+AppID. You can send requests again in ${seconds} seconds.`,
    hasHeader ? { "retry-after": String(seconds) } : undefined,
  )

export const storageError = (status: number, code: string, detail = "") =>
  HttpServerResponse.text(
    `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>The request was refused.</Message><AuthenticationErrorDetail>${detail}</AuthenticationErrorDetail></Error>`,
    { status, contentType: "application/xml", headers: { "x-ms-error-code": code } },
  )

/** The answer of a gateway that does not reach its server. */
export const outage = (status: number) =>
  HttpServerResponse.text("<html><body>Service Unavailable</body></html>", { status, contentType: "text/html" })

const correlationId = "43f4cb08-8fac-4b65-9db1-745c2ae65f3a"

/** An error of Entra. `code` is the number after `AADSTS`. */
export const entraError = (
  status: number,
  error: string,
  code: number,
  description: string,
  headers?: Readonly<Record<string, string>>,
) =>
  HttpServerResponse.jsonUnsafe(
    {
      error,
      error_description: `AADSTS${code}: ${description} Trace ID: 0000 Correlation ID: ${correlationId}`,
      error_codes: [code],
      trace_id: "00000000-0000-0000-0000-000000000000",
      correlation_id: correlationId,
    },
    { status, ...(headers === undefined ? {} : { headers }) },
  )

/** Entra's answer to a request without a secret or an assertion. */
export const missingCredential = () =>
  entraError(
    401,
    "invalid_client",
    7000218,
    "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
  )
