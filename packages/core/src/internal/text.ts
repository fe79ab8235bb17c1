/**
 * Text of others in one line: line breaks and all other control characters become spaces, and what can't be seen but turns
 * the direction of text is marked.
 */
export const oneLine = (text: string): string =>
  text
    .replaceAll(/[\p{Cc}\s]+/gu, " ")
    .replaceAll(/\p{Cf}/gu, "\uFFFD")
    .trim()

/** A text of others that is shown or stored has no more characters: a path or a comment of a person has far fewer. */
export const longestText = 8192

/**
 * A text of others within its bound. Of a longer one the beginning and the end are kept, with `…` between them: at the end
 * a path has its file name, and a comment the mark of its session.
 */
export const shorten = (text: string): string => {
  const half = (longestText - 1) >> 1
  return text.length <= longestText ? text : `${text.slice(0, half)}…${text.slice(-half)}`
}

/**
 * A text without this character at its end, however often it stands there. An expression such as `/x+$/` would take the
 * square of the time, because it searches the end from each such character in the text.
 */
export const withoutEnd = (text: string, character: string): string => {
  let end = text.length
  while (end > 0 && text[end - 1] === character) end--
  return text.slice(0, end)
}

/** A text in an expression of OData, of which no text can become a part. */
export const quoted = (value: string): string => `'${value.replaceAll("'", "''")}'`
