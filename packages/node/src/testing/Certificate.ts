/**
 * Certificates for tests. The `openssl` command creates them, because Node has no function for that.
 *
 * @since 0.1.0
 */
import { execFileSync } from "node:child_process"
import { X509Certificate } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * A certificate and its private key.
 *
 * @since 0.1.0
 * @category models
 */
export interface Certificate {
  /** The private key and the certificate in PEM, for `SimulatorServer`. */
  readonly key: string
  readonly cert: string

  /** The path of the certificate file, for `NODE_EXTRA_CA_CERTS`. */
  readonly path: string

  /** The public key (SPKI, DER), for `certificateKey` of `Simulator.App`. */
  readonly publicKey: Uint8Array<ArrayBuffer>

  /** Writes certificate and key to one PEM file, for `AZURE_CLIENT_CERTIFICATE_PATH`, and returns its path. */
  readonly write: (options?: { readonly password?: string }) => string
}

const openssl = (...args: ReadonlyArray<string>) => execFileSync("openssl", args, { stdio: "pipe" })

const subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]

/**
 * Creates a self-signed certificate for 127.0.0.1.
 *
 * **Details**
 *
 * It is valid for two days. Its files are deleted when the scope closes.
 *
 * **Gotchas**
 *
 * A machine without `openssl` is a defect.
 *
 * @since 0.1.0
 * @category constructors
 */
export const selfSigned: Effect.Effect<Certificate, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "live-response-certificate-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true })),
  ),
  (directory) => {
    const at = (name: string) => join(directory, name)
    const output = ["-keyout", at("key.pem"), "-out", at("cert.pem")]
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", ...subject, ...output)
    const key = readFileSync(at("key.pem"), "utf8")
    const cert = readFileSync(at("cert.pem"), "utf8")
    const encrypted = (password: string) =>
      openssl("pkcs8", "-topk8", "-in", at("key.pem"), "-passout", `pass:${password}`).toString()
    return {
      key,
      cert,
      path: at("cert.pem"),
      publicKey: new Uint8Array(new X509Certificate(cert).publicKey.export({ type: "spki", format: "der" })),
      write: (options) => {
        const path = at(options?.password === undefined ? "both.pem" : "encrypted.pem")
        writeFileSync(path, `${options?.password === undefined ? key : encrypted(options.password)}${cert}`, {
          mode: 0o600,
        })
        return path
      },
    }
  },
)
