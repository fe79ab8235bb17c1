/**
 * Puts foreign text on one line: line breaks and other control characters become spaces, and invisible characters that
 * change the direction of text are marked.
 */
export const oneLine = (text: string): string =>
  text
    .replaceAll(/[\p{Cc}\s]+/gu, " ")
    .replaceAll(/\p{Cf}/gu, "\uFFFD")
    .trim()

/**
 * Removes a character from the end of a text, however often it stands there. An expression such as `/x+$/` takes quadratic
 * time, because it searches the end from each such character in the text.
 */
export const withoutEnd = (text: string, character: string): string => {
  let end = text.length
  while (end > 0 && text[end - 1] === character) end--
  return text.slice(0, end)
}
