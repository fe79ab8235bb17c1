/**
 * Files that hold a secret: a token, or the secret or the private key of an app.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as PlatformError from "effect/PlatformError"
import * as PathPermissions from "./internal/pathPermissions.ts"
import { Platform } from "./Platform.ts"
import * as TextEncoding from "./TextEncoding.ts"

/**
 * Whether others on this machine may read or write the file. A file that does not exist fails where it is read.
 *
 * **Gotchas**
 *
 * A file of root that a group may read does not count as shared for another user: the secrets of Kubernetes and systemd are such.
 * No file counts as shared where the `Platform` has no modes, as Windows has none.
 *
 * @since 0.1.0
 * @category checking
 */
export const isShared = Effect.fnUntraced(function* (
  path: string,
): Effect.fn.Return<boolean, never, FileSystem.FileSystem> {
  const { hasModes, user } = yield* Platform
  if (!hasModes) return false
  const fs = yield* FileSystem.FileSystem
  const file = Option.getOrUndefined(yield* Effect.option(fs.stat(path)))
  return file?.type === "File" && PathPermissions.isOpenToOthers(file, user)
})

/**
 * Why another user may decide what is in the file: who owns it, or its mode. `undefined` if only this user and root may write
 * to it. A file that does not exist fails where it is read.
 *
 * **When to use**
 *
 * Use it for a file whose content decides where secrets are sent.
 *
 * **Gotchas**
 *
 * No file is changeable where the `Platform` has no users, as Windows has none.
 *
 * @since 0.1.0
 * @category checking
 */
export const changeable = Effect.fnUntraced(function* (
  path: string,
): Effect.fn.Return<string | undefined, never, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const { user } = yield* Platform
  const file = Option.getOrUndefined(yield* Effect.option(fs.stat(path)))
  return file === undefined ? undefined : PathPermissions.changeable(file, user)
})

/**
 * Logs a warning if the file is shared, as {@link isShared} says, with the command that forbids it.
 *
 * @since 0.1.0
 * @category checking
 */
export const warnIfShared = Effect.fnUntraced(function* (
  path: string,
): Effect.fn.Return<void, never, FileSystem.FileSystem> {
  if (!(yield* isShared(path))) return
  yield* Effect.logWarning(`${path} holds a secret, and others on this machine may open it: chmod 600 ${path}`)
})

/**
 * The path of such a file, for a message. Who confuses the variable of a secret with that of its file has the secret here, so a
 * name that looks like one is not shown.
 *
 * @since 0.1.0
 * @category formatting
 */
export const nameOf = (path: string): string => {
  const isPath = /^(?:\.{0,2}[\\/]|[a-z]:[\\/])/i.test(path) && !path.endsWith("=")
  const isRandom = path.length >= 16 && [/[a-z]/, /[A-Z]/, /\d/].every((kind) => kind.test(path))
  return isRandom && !isPath ? "(a name that is not shown, because it looks like the secret itself)" : path
}

/**
 * Reads the secret in a file, without the white space around it. The file may be UTF-8 or UTF-16, as PowerShell writes it.
 *
 * **Gotchas**
 *
 * Something else than a regular file is refused: to read a FIFO can take for ever, and nothing can interrupt it.
 *
 * @since 0.1.0
 * @category reading
 */
export const read = Effect.fnUntraced(function* (
  path: string,
): Effect.fn.Return<string, PlatformError.PlatformError, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  if ((yield* fs.stat(path)).type !== "File") {
    const description = "it is not a regular file"
    return yield* PlatformError.systemError({
      _tag: "InvalidData",
      module: "SecretFile",
      method: "read",
      description,
      pathOrDescriptor: path,
    })
  }
  return TextEncoding.decode(yield* fs.readFile(path)).trim()
})
