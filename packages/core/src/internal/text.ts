/** Text of others in one line: line breaks and all other control characters become spaces. */
export const oneLine = (text: string): string => text.replaceAll(/[\p{Cc}\s]+/gu, " ").trim()
