/** What a test gives to the simulator. `testing/Simulator` exports these types. */
import type * as Duration from "effect/Duration"
import type * as Stream from "effect/Stream"

/**
 * What goes wrong with one request. A list of faults has one for each request, in order; requests after the last one are
 * answered as usual.
 *
 * **Details**
 *
 * - `throttle`: status 429 with `retryAfter` in seconds as `Retry-After`; without it a link request names the seconds in the
 *   message alone
 * - `status`: this status; `code` is the error code of the API, of Entra or of the storage
 * - `expire`: the link has expired
 * - `cut`: the connection breaks after this many bytes
 * - `stall`: nothing follows after this many bytes, and the connection stays open
 * - `ignoreRange`: the whole content, whatever range was requested
 * - `lost`: the service does what was requested, but a gateway answers with 504
 * - `none`: the usual answer
 *
 * @since 0.1.0
 * @category models
 */
export type Fault =
  | { readonly fault: "throttle"; readonly retryAfter?: number | undefined }
  | { readonly fault: "status"; readonly status: number; readonly code?: string | undefined }
  | { readonly fault: "expire" }
  | { readonly fault: "cut"; readonly after: number }
  | { readonly fault: "stall"; readonly after: number }
  | { readonly fault: "ignoreRange" }
  | { readonly fault: "lost" }
  | { readonly fault: "none" }

/**
 * Content that is generated while it is read, so that results of any size and number need no memory.
 *
 * **Details**
 *
 * `read` returns the bytes from `start` up to, but not including, `end`, in chunks of any length. It returns the same bytes
 * each time, exactly `end - start` of them. The first request for the content reads all of it to compute its MD5.
 *
 * @since 0.1.0
 * @category models
 */
export interface GeneratedContent {
  readonly length: number
  readonly read: (start: number, end: number) => Stream.Stream<Uint8Array>
}

/**
 * A result that the service holds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Result {
  readonly content: Uint8Array | GeneratedContent

  /**
   * The name of the file that was collected, which the storage sends as `Content-Disposition`. Default: the result is that of a
   * script.
   */
  readonly fileName?: string | undefined

  /** Whether the storage sends the MD5 of the content. Default: `true`. */
  readonly md5?: boolean | undefined

  /** What goes wrong with the requests for its link, in order: `throttle`, `status` or `none`. */
  readonly linkFaults?: ReadonlyArray<Fault> | undefined

  /** What goes wrong with the requests for its bytes, in order: any fault but `throttle` and `lost`. */
  readonly blobFaults?: ReadonlyArray<Fault> | undefined
}

/**
 * An app that may sign in, with any of the credentials that it has.
 *
 * @since 0.1.0
 * @category models
 */
export interface App {
  readonly clientId: string

  /** The tenant of the app. Default: any. */
  readonly tenantId?: string | undefined

  readonly clientSecret?: string | undefined

  /** Whether the client secret has expired. Default: `false`. */
  readonly secretExpired?: boolean | undefined

  /** The public key of its certificate (SPKI, DER), which verifies its assertions. */
  readonly certificateKey?: Uint8Array<ArrayBuffer> | undefined

  /** The token of another issuer that the app trusts. */
  readonly federatedToken?: string | undefined

  /** Whether users may sign in through the app with a device code. Default: `true`. */
  readonly publicClient?: boolean | undefined
}

/**
 * How a user behaves who is shown a device code.
 *
 * @since 0.1.0
 * @category models
 */
export interface DeviceUser {
  /** How many polls are answered with `authorization_pending` before the user has signed in. Default: 0. */
  readonly pendingPolls?: number | undefined

  /** Whether the user declines. Default: `false`. */
  readonly declines?: boolean | undefined

  /** Whether the first poll is answered with `slow_down` even if it is not too early. Default: `false`. */
  readonly slowDown?: boolean | undefined

  /** How long the code is valid. Default: 15 minutes. */
  readonly codeLifetime?: Duration.Input | undefined
}

/**
 * A machine that sessions can run on.
 *
 * @since 0.1.0
 * @category models
 */
export interface Machine {
  readonly id: string

  /** The DNS name (FQDN). Default: the machine has none. */
  readonly name?: string | undefined

  /** How long the machine stays offline from the time it is added. Infinity: always. Default: it is online. */
  readonly offline?: Duration.Input | undefined

  /** How long the session of another program runs on it from the time it is added. Default: there is none. */
  readonly busy?: Duration.Input | undefined

  /** Whether the rejection of a second session leaves out which one is in progress, as the service sometimes does. Default: `false`. */
  readonly hidesActiveAction?: boolean | undefined

  /** Whether the service rejects sessions on it, because its version of Windows is too old. Default: `false`. */
  readonly unsupported?: boolean | undefined

  /** The error that its scripts fail with. Default: they succeed. */
  readonly scriptError?: string | undefined

  /** What its record says, where that is not the default: a healthy and onboarded machine with Windows 11. */
  readonly record?: Partial<MachineRecord> | undefined
}

/**
 * The record of a machine in the shape of the API.
 *
 * **Details**
 *
 * The words of `healthStatus`, `onboardingStatus`, `riskScore`, `exposureLevel` and `deviceValue` are on Microsoft's page. The
 * simulator rejects sessions on a machine whose `onboardingStatus` is not `Onboarded`.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/machine
 * @since 0.1.0
 * @category models
 */
export interface MachineRecord {
  readonly id: string
  readonly computerDnsName: string | null
  readonly firstSeen: string
  readonly lastSeen: string
  readonly osPlatform: string
  readonly osProcessor: string
  readonly osArchitecture: string
  readonly osBuild: number | null
  readonly version: string
  readonly lastIpAddress: string | null
  readonly lastExternalIpAddress: string | null
  readonly healthStatus: string
  readonly onboardingStatus: string
  readonly rbacGroupId: number
  readonly rbacGroupName: string | null
  readonly riskScore: string | null
  readonly exposureLevel: string | null
  readonly deviceValue: string | null
  readonly isAadJoined: boolean
  readonly aadDeviceId: string | null
  readonly machineTags: ReadonlyArray<string>
  readonly ipAddresses: ReadonlyArray<{
    readonly ipAddress: string
    readonly macAddress: string | null
    readonly operationalStatus: string
  }>
}

/**
 * A file of the live response library, which sessions can run or put on a machine.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/list-library-files
 * @since 0.1.0
 * @category models
 */
export interface LibraryFile {
  readonly name: string

  readonly content: string | Uint8Array

  /** Default: there is none. */
  readonly description?: string | undefined

  /** What its parameters mean. Default: it has none. */
  readonly parametersDescription?: string | undefined
}

/**
 * A machine action in the shape of the API.
 *
 * @since 0.1.0
 * @category models
 */
export type ActionRecord = Readonly<Record<string, unknown>> & { readonly id: string }
