/**
 * Node's cache of compiled code, by which the program starts sooner.
 */
import type * as fs from "node:fs"
import module from "node:module"
import { dirname, isAbsolute, join } from "node:path"

/** The user's directory for caches. Node's own default is shared by all users of the machine. */
const directory = ({ HOME = "", LOCALAPPDATA = "", XDG_CACHE_HOME = "" }: NodeJS.ProcessEnv): string | undefined =>
  [
    join(XDG_CACHE_HOME, "live-response"),
    join(LOCALAPPDATA, "live-response", "Cache"),
    join(HOME, ".cache", "live-response"),
  ].find(isAbsolute)

type Files = typeof fs

/** Whether nobody else can change what is in a directory, or give its name to another one. Windows has no user ids. */
const isPrivate = ({ lstatSync, readdirSync, realpathSync }: Files, path: string): boolean => {
  const self = process.geteuid?.()
  if (self === undefined) return true
  const isOwn = (path: string) => {
    const stats = lstatSync(path)
    return stats.isDirectory() && stats.uid === self && (stats.mode & 0o022) === 0
  }
  const isSafeAbove = (path: string): boolean => {
    const { mode, uid } = lstatSync(path)
    // Who may only add files to a sticky directory can't rename those of others.
    const isSafe = (uid === self || uid === 0) && ((mode & 0o022) === 0 || (mode & 0o1000) !== 0)
    return isSafe && (path === dirname(path) || isSafeAbove(dirname(path)))
  }
  return (
    isOwn(path) &&
    readdirSync(path).every((name) => isOwn(join(path, name))) &&
    isSafeAbove(realpathSync(dirname(path)))
  )
}

/** Creates a directory if it is missing. With `recursive`, Node never returns for one below `/proc`. */
const makeDirectory = ({ existsSync, mkdirSync }: Files, path: string): void => {
  if (!existsSync(path)) mkdirSync(path, { mode: 0o700 })
}

/** Enables the cache in the user's directory. Node runs what is in it, so nobody else may be able to write to it. */
export const enable = (): void => {
  const path = directory(process.env)
  if (path === undefined) return
  try {
    // An import of it would load its streams too.
    const files = process.getBuiltinModule("node:fs")
    makeDirectory(files, dirname(path))
    makeDirectory(files, path)
    if (isPrivate(files, path)) module.enableCompileCache(path)
  } catch {
    // A home directory that is read-only costs time, and nothing else.
  }
}
