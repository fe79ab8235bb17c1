/**
 * The machines of the API.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as ApiSchema from "./internal/apiSchema.ts"
import * as Lenient from "./internal/lenientFields.ts"
import * as TrustedInstance from "./internal/trustedInstance.ts"

/**
 * A machine.
 *
 * **Details**
 *
 * Its id is 40 hexadecimal digits. Its name is its DNS name (FQDN), in the case that the API uses. A machine that was set up
 * again has another id, and may have the same name. Words that Microsoft adds later pass unchanged; what the API leaves out is
 * absent.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/machine
 * @since 0.1.0
 * @category models
 */
export class Machine extends Schema.Class<Machine>("@live-response/core/Machine")({
  id: Schema.String,
  computerDnsName: Schema.optionalKey(Schema.String),
  firstSeen: Schema.optionalKey(Schema.DateTimeUtcFromString),
  lastSeen: Schema.optionalKey(Schema.DateTimeUtcFromString),
  osPlatform: Schema.optionalKey(Schema.String),
  version: Schema.optionalKey(Schema.String),
  healthStatus: Schema.optionalKey(Schema.String),
  onboardingStatus: Schema.optionalKey(Schema.String),
  riskScore: Schema.optionalKey(Schema.String),
  exposureLevel: Schema.optionalKey(Schema.String),
  deviceValue: Schema.optionalKey(Schema.String),
  rbacGroupId: Schema.optionalKey(Schema.Int),
  rbacGroupName: Schema.optionalKey(Schema.String),
  machineTags: Schema.optionalKey(Schema.Array(Schema.String)),
  lastIpAddress: Schema.optionalKey(Schema.String),
  lastExternalIpAddress: Schema.optionalKey(Schema.String),
  aadDeviceId: Schema.optionalKey(Schema.String),
}) {}

/**
 * Whether live response can run on a machine, as far as the API says:
 *
 * - `ready`: it can, or the API does not say that it can't
 * - `offline`: its sensor does not report (`healthStatus`), for a week or longer if it is `Inactive`
 * - `not onboarded`: Defender does not manage it (`onboardingStatus`)
 *
 * **Details**
 *
 * Unknown words count as `ready`: the service decides.
 *
 * @example
 * ```ts
 * import * as Machine from "@live-response/core/Machine"
 *
 * const machine = Machine.Machine.make({ id: "1e5bc9d7e413ddd7902c2932e418702b84d0cc07", healthStatus: "Inactive" })
 * console.log(Machine.readiness(machine)) // offline
 * ```
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/machine
 * @since 0.1.0
 * @category checking
 */
export const readiness = ({ healthStatus = "", onboardingStatus = "" }: Machine): Readiness => {
  if (notOnboarded.has(onboardingStatus.toLowerCase())) return "not onboarded"
  return offline.has(healthStatus.toLowerCase()) ? "offline" : "ready"
}

/**
 * @since 0.1.0
 * @category models
 */
export type Readiness = "ready" | "offline" | "not onboarded"

const notOnboarded: ReadonlySet<string> = new Set(["canbeonboarded", "unsupported", "insufficientinfo"])

const offline: ReadonlySet<string> = new Set([
  "inactive",
  "impairedcommunication",
  "nosensordata",
  "nosensordataimpairedcommunication",
])

/** A machine has a few tags. */
const mostTags = 1000

const tagsOf = (value: unknown): ReadonlyArray<string> | undefined =>
  Array.isArray(value) ? value.slice(0, mostTags).flatMap((tag) => Lenient.text(tag) ?? []) : undefined

/** In characters. An id that was cut would be another id. */
const longestId = 256

/**
 * Decodes a machine in the API's own shape, or says in a few words why it can't be read. Only `id` is required; any other
 * member of an unexpected type is left out. It never throws.
 *
 * @example
 * ```ts
 * import * as Machine from "@live-response/core/Machine"
 * import * as Result from "effect/Result"
 *
 * const machine = Machine.fromApi({ id: "1e5bc9d7e413ddd7902c2932e418702b84d0cc07", computerDnsName: null })
 * console.log(Result.isSuccess(machine)) // true
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const fromApi = (value: unknown): Result.Result<Machine, string> => {
  const of = (key: string) => Lenient.member(value, key)
  const id = of("id")
  if (typeof id !== "string" || id === "") return Result.fail("it has no id")
  if (id.length > longestId) return Result.fail("its id is too long")
  return Result.succeed(
    TrustedInstance.make(Machine, {
      id,
      ...Lenient.present({
        computerDnsName: Lenient.text(of("computerDnsName")),
        firstSeen: Lenient.instant(of("firstSeen")),
        lastSeen: Lenient.instant(of("lastSeen")),
        osPlatform: Lenient.text(of("osPlatform")),
        version: Lenient.text(of("version")),
        healthStatus: Lenient.text(of("healthStatus")),
        onboardingStatus: Lenient.text(of("onboardingStatus")),
        riskScore: Lenient.text(of("riskScore")),
        exposureLevel: Lenient.text(of("exposureLevel")),
        deviceValue: Lenient.text(of("deviceValue")),
        rbacGroupId: Lenient.wholeNumber(of("rbacGroupId")),
        rbacGroupName: Lenient.text(of("rbacGroupName")),
        machineTags: tagsOf(of("machineTags")),
        lastIpAddress: Lenient.text(of("lastIpAddress")),
        lastExternalIpAddress: Lenient.text(of("lastExternalIpAddress")),
        aadDeviceId: Lenient.text(of("aadDeviceId")),
      }),
    }),
  )
}

/**
 * The schema of a machine in the API's own shape, which decodes as `fromApi` does. It is for decoding alone.
 *
 * @example
 * ```ts
 * import * as Machine from "@live-response/core/Machine"
 * import * as Schema from "effect/Schema"
 *
 * const machine = Schema.decodeUnknownSync(Machine.FromApi)({
 *   id: "1e5bc9d7e413ddd7902c2932e418702b84d0cc07",
 *   computerDnsName: "mymachine1.contoso.com",
 *   lastSeen: "2018-08-02T14:55:03.7791856Z",
 * })
 * console.log(machine.computerDnsName) // mymachine1.contoso.com
 * ```
 *
 * @since 0.1.0
 * @category schemas
 */
export const FromApi = ApiSchema.decodedBy(Machine, "a machine", fromApi, ({ id }) => ({ id }))
