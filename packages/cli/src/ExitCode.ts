/**
 * The exit codes that scripts see, and which error has which code. They are a promise of this program: none of them changes
 * its meaning.
 */
import type { DatabaseError } from "@live-response/cluster/DatabaseError"
import type { RunError } from "@live-response/cluster/ClusterRun"
import type { TenantError } from "@live-response/cluster/Tenants"
import type { BatchError } from "@live-response/core/BatchError"
import type { DefectError } from "@live-response/core/DefectError"
import type * as Config from "effect/Config"

export const exitCode = {
  success: 0,
  /** Some targets failed, an action did not succeed, a service gave up, or this program has a bug. */
  someFailed: 1,
  /** The command line, the environment or a list is wrong. */
  usage: 2,
  /** Nobody is signed in, or a permission is missing. */
  signIn: 3,
  /** This machine does not allow it: its disk, its files, its network settings. */
  machine: 4,
  /** Ctrl-C, as shells report it (128 + SIGINT). */
  interrupted: 130,
  /** The reader of standard output has closed it, as shells report it (128 + SIGPIPE). */
  closedPipe: 141,
} as const

export type ExitCode = (typeof exitCode)[keyof typeof exitCode]

/** An error that ends a whole command. */
export type CommandError = BatchError | DatabaseError | DefectError | RunError | TenantError | Config.ConfigError

/** The exit code of an error that ends a whole command. */
export const ofError = (error: CommandError): ExitCode => {
  switch (error._tag) {
    case "ConfigError":
      return exitCode.usage
    case "TenantError":
      return error.problem === "Removed" ? exitCode.someFailed : exitCode.usage
    case "StoreError":
    case "QuotaStoreError":
      return exitCode.machine
    case "DatabaseError":
      return error.reason._tag === "InvalidAddress" ? exitCode.usage : exitCode.machine
    case "DefenderError":
      if (error.isLocal) return exitCode.machine
      return error.isDenied ? exitCode.signIn : exitCode.someFailed
    case "TransferError":
      return error.isLocal ? exitCode.machine : exitCode.someFailed
    case "CredentialError":
      return error.isLocal ? exitCode.machine : exitCode.signIn
    case "RunError":
      return error.problem === "Unknown" ? exitCode.usage : exitCode.someFailed
    case "NetworkDown":
    case "StorageRefused":
    case "DefectError":
      return exitCode.someFailed
  }
}
