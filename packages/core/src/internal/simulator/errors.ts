/** What the simulated service answers where it refuses. */
import * as HttpServerResponse from "effect/http/HttpServerResponse"

export const apiError = (status: number, code: string, message: string, headers?: Record<string, string>) =>
  HttpServerResponse.jsonUnsafe(
    { error: { code, message, target: "43f4cb08-8fac-4b65-9db1-745c2ae65f3a" } },
    { status, ...(headers === undefined ? {} : { headers }) },
  )

export const tooManyRequests = (limit: number, window: string, seconds: number, header: boolean) =>
  apiError(
    429,
    "429",
    `API calls quota exceeded! Maximum allowed ${limit} per ${window} for the key Destination+TenantID+AppID. You can send requests again in ${seconds} seconds.`,
    header ? { "retry-after": String(seconds) } : undefined,
  )

export const storageError = (status: number, code: string, detail = "") =>
  HttpServerResponse.text(
    `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>The request was refused.</Message><AuthenticationErrorDetail>${detail}</AuthenticationErrorDetail></Error>`,
    { status, contentType: "application/xml", headers: { "x-ms-error-code": code } },
  )

/** What a gateway answers whose server is not there. */
export const outage = (status: number) =>
  HttpServerResponse.text("<html><body>Service Unavailable</body></html>", { status, contentType: "text/html" })
