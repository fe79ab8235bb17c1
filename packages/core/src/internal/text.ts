/**
 * Puts foreign text on one line: line breaks and other control characters become spaces, and invisible characters that
 * change the direction of text are marked.
 */
export const oneLine = (text: string): string =>
  text
    .replaceAll(/[\p{Cc}\s]+/gu, " ")
    .replaceAll(/\p{Cf}/gu, "\uFFFD")
    .trim()

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

/**
 * Removes a character from the end of a text, however often it stands there. An expression such as `/x+$/` takes quadratic
 * time, because it searches the end from each such character in the text.
 */
export const withoutEnd = (text: string, character: string): string => {
  let end = text.length
  while (end > 0 && text[end - 1] === character) end--
  return text.slice(0, end)
}

/** Quotes a text for an OData expression, so that it can't become a part of the expression. */
export const quoted = (value: string): string => `'${value.replaceAll("'", "''")}'`
