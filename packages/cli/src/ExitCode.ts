/**
 * The exit codes that scripts see. They are a promise of this program: none of them changes its meaning.
 * `Failure.ts` decides which error has which code.
 */

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
