/**
 * Which errors of a TLS connection are about the server's certificate.
 *
 * @since 0.1.0
 */

const untrusted =
  /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_(CA|PURPOSE)|CRL_)/

/**
 * Whether an error code of the runtime says that this machine does not trust a certificate. A person must correct that: no
 * wait cures it.
 *
 * @example
 * ```ts
 * import * as CertificateProblem from "@live-response/core/CertificateProblem"
 *
 * console.log(CertificateProblem.isUntrusted("DEPTH_ZERO_SELF_SIGNED_CERT")) // true
 * console.log(CertificateProblem.isUntrusted("ECONNREFUSED")) // false
 * ```
 *
 * @since 0.1.0
 * @category predicates
 */
export const isUntrusted = (code: string): boolean => untrusted.test(code)
