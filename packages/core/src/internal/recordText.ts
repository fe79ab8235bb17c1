/** The texts of records, each within a bound. */

/** A text of others that is shown or stored has no more characters: a path or a comment of a person has far fewer. */
export const longestText = 8192

/**
 * A text of others within its bound. A longer one is shortened to its beginning and its end, with `…` between them: at the end
 * a path has its file name, and a comment the mark of its session.
 */
export const shorten = (text: string): string => {
  const half = (longestText - 1) >> 1
  return text.length <= longestText ? text : `${text.slice(0, half)}…${text.slice(-half)}`
}
