/**
 * Node's cache of compiled code, by which the program starts sooner.
 */
import module from "node:module"
import { isAbsolute, join } from "node:path"

// An import of it would load its streams too.
const { mkdirSync, statSync } = process.getBuiltinModule("node:fs")

/** The user's directory for caches. Node's own default is shared by all users of the machine. */
const directory = ({ HOME = "", LOCALAPPDATA = "", XDG_CACHE_HOME = "" }: NodeJS.ProcessEnv): string | undefined =>
  [
    join(XDG_CACHE_HOME, "live-response"),
    join(LOCALAPPDATA, "live-response", "Cache"),
    join(HOME, ".cache", "live-response"),
  ].find(isAbsolute)

/** Node runs what is in the cache, so nobody else may be able to write to it. Windows has neither user ids nor modes. */
const isPrivate = (path: string): boolean => {
  const { mode, uid } = statSync(path)
  const self = process.geteuid?.()
  return self === undefined || (uid === self && (mode & 0o022) === 0)
}

/** Enables the cache in the user's directory. Where there is none, the program starts without it. */
export const enable = (): void => {
  const path = directory(process.env)
  if (path === undefined) return
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    if (isPrivate(path)) module.enableCompileCache(path)
  } catch {
    // A home directory that is read-only costs time, and nothing else.
  }
}
