/** Text of others in one line: line breaks and all other control characters become spaces. */
export const oneLine = (text: string): string => text.replaceAll(/[\p{Cc}\s]+/gu, " ").trim()

/** A text in an expression of OData, of which no text can become a part. */
export const quoted = (value: string): string => `'${value.replaceAll("'", "''")}'`
