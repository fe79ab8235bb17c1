/** Checks that only this user and root decide what a file contains and where a path leads. */
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"

type Info = FileSystem.File.Info

/** Unknown on platforms without user ids, where owners and modes mean nothing. */
type User = number | undefined

const writableByGroup = 0o020
const writableByOthers = 0o002
const sticky = 0o1000
const root = 0

/** The next step in every message. */
const wayOut = "choose another directory"

const foreignOwner = ({ uid }: Info, user: User): number | undefined => {
  const owner = Option.getOrUndefined(uid)
  return user === undefined || owner === user || owner === root ? undefined : owner
}

const modeOf = ({ mode }: Info): string => (mode & 0o7777).toString(8)

/** Why another user may decide what is in a file or a directory. */
export const changeable = (info: Info, user: User): string | undefined => {
  if (user === undefined) return undefined
  const owner = foreignOwner(info, user)
  if (owner !== undefined) return `it belongs to another user (uid ${owner})`
  return (info.mode & (writableByGroup | writableByOthers)) === 0
    ? undefined
    : `other users may write to it (mode ${modeOf(info)})`
}

const ofOwner = (info: Info, user: User): string | undefined => {
  const owner = foreignOwner(info, user)
  return owner === undefined ? undefined : `it belongs to another user (uid ${owner}); ${wayOut}, of your own`
}

/** What is wrong with a directory for our files. */
export const ofDirectory = (info: Info, user: User, path: string): string | undefined => {
  if (user === undefined) return undefined
  return (
    ofOwner(info, user) ??
    ((info.mode & (writableByGroup | writableByOthers)) === 0
      ? undefined
      : `other users may write to it (mode ${modeOf(info)}); ${wayOut}, or: chmod 700 ${path}`)
  )
}

/**
 * What is wrong with a directory above: a user who may write to it can replace what is in it. The members of a group are not
 * known here: even a group with the number of its owner may have other members.
 */
export const ofAncestor = (info: Info, user: User, path: string): string | undefined => {
  if (user === undefined) return undefined
  const owner = ofOwner(info, user)
  if (owner !== undefined || (info.mode & sticky) !== 0) return owner
  return (info.mode & (writableByGroup | writableByOthers)) === 0
    ? undefined
    : `other users may write to it (mode ${modeOf(info)}), and so replace what is below it; ${wayOut}, or: chmod go-w ${path}`
}

/** What is wrong with a link in our directory. */
export const ofLink = ({ type }: Info): string | undefined =>
  type === "SymbolicLink" ? `it is a symbolic link, and no link is followed here; remove it, or ${wayOut}` : undefined

/** What is wrong with a link in the path of a directory. */
export const ofPathLink = (info: Info, user: User): string | undefined => {
  const owner = foreignOwner(info, user)
  return owner === undefined ? undefined : `it is a symbolic link of another user (uid ${owner}); ${wayOut}`
}

const nounOf: Record<FileSystem.File.Type, string> = {
  File: "a file",
  Directory: "a directory",
  SymbolicLink: "a symbolic link",
  BlockDevice: "a device",
  CharacterDevice: "a device",
  FIFO: "a named pipe",
  Socket: "a socket",
  Unknown: "something else",
}

/** Nobody is asked to remove /dev/null. */
const remedy = ({ type }: Info): string => (type.endsWith("Device") ? wayOut : `remove it, or ${wayOut}`)

/** What is wrong with a file of ours. */
export const ofFile = (info: Info, user: User, allowsLinks = false): string | undefined => {
  // A directory can do no harm: it is reported as not being a file.
  if (info.type === "SymbolicLink" || info.type === "Directory") return ofLink(info)
  if (info.type !== "File") return `a file is needed here, and there is ${nounOf[info.type]}; ${remedy(info)}`
  if (!allowsLinks && Option.getOrElse(info.nlink, () => 1n) > 1n) {
    return `the file has another name elsewhere (a hard link); remove it, or ${wayOut}`
  }
  if (user === undefined) return undefined
  return (
    ofOwner(info, user) ??
    ((info.mode & (writableByGroup | writableByOthers)) === 0
      ? undefined
      : `other users may write to it (mode ${modeOf(info)}), so what is in it is not to be trusted; remove it, or ${wayOut}`)
  )
}

export const isReadableByOthers = ({ mode }: Info, user: User): boolean => user !== undefined && (mode & 0o044) !== 0

/**
 * Whether the group or everybody may read, write or execute a file. A file of root that a group may read is how Kubernetes and systemd
 * give it to this user alone: by a group of its own, or by an access list, of which the mode of the group is the mask.
 */
export const isOpenToOthers = (info: Info, user: User): boolean => {
  const open = info.mode & 0o077
  const isGiven = user !== root && Option.contains(info.uid, root) && open === 0o040
  return open !== 0 && !isGiven
}
