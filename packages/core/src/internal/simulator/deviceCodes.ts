/** The device codes of the simulated Entra, and how it answers polls for them. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { randomHex } from "../randomHex.ts"
import { entraError } from "./errors.ts"
import type { DeviceUser } from "./inputs.ts"

interface DeviceCode {
  readonly expiresAt: number
  polls: number
  /** The earliest time of the next poll. */
  nextPollAt: number
  /** Seconds between two polls: five more after each poll that was too early. */
  interval: number
}

export interface DeviceCodes {
  readonly user: DeviceUser
  readonly codes: Map<string, DeviceCode>
}

export const make = (user: DeviceUser | undefined): DeviceCodes => ({ user: user ?? {}, codes: new Map() })

const userCode = "HQ4T7ZLMN"

const verificationUri = "https://microsoft.com/devicelogin"

/** Answers a request for a device code. */
export const issue = Effect.fnUntraced(function* (self: DeviceCodes, now: number) {
  const code = yield* randomHex(32)
  const lifetime = Duration.toMillis(self.user.codeLifetime ?? "15 minutes")
  const interval = 1
  self.codes.set(code, { expiresAt: now + lifetime, polls: 0, nextPollAt: now, interval })
  return HttpServerResponse.jsonUnsafe({
    user_code: userCode,
    device_code: code,
    verification_uri: verificationUri,
    expires_in: Math.floor(lifetime / 1000),
    interval,
    message: `To sign in, use a web browser to open the page ${verificationUri} and enter the code ${userCode} to authenticate.`,
  })
})

/** How many milliseconds too early a poll may be: timers are not exact, and Entra is not that strict. */
const tolerance = 100

/** Counts a poll. Returns the error that answers it, or nothing once the user has signed in. */
export const poll = (self: DeviceCodes, code: string, now: number) => {
  const known = self.codes.get(code)
  if (known === undefined || known.expiresAt <= now) {
    return entraError(400, "expired_token", 70020, "The device code has expired.")
  }
  const { declines = false, pendingPolls = 0, slowDown = false } = self.user
  const nth = known.polls++
  const isEarly = now < known.nextPollAt - tolerance || (slowDown && nth === 0)
  if (isEarly) known.interval += 5
  known.nextPollAt = now + known.interval * 1000
  if (isEarly) return entraError(400, "slow_down", 90085, "Poll less often.")
  if (nth < pendingPolls) return entraError(400, "authorization_pending", 70016, "Authorization is pending.")
  self.codes.delete(code)
  return declines ? entraError(400, "authorization_declined", 70017, "The user declined the authorization.") : undefined
}
