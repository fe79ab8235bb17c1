/**
 * Files of the library, as `--script` and `--put-file` name them: by their name there, or by a path of this machine.
 */

/** Whether a text is a path of this machine: names in the library have no separator. */
export const isPath = (text: string): boolean => /[/\\]/.test(text)

/** The name in the library: that of the file, if the text is a path. */
export const of = (text: string): string => text.slice(Math.max(text.lastIndexOf("/"), text.lastIndexOf("\\")) + 1)

/** Two files that would have one name in the library, where case does not matter, if at least one `isLocal`. */
export const clash = (
  texts: ReadonlyArray<string>,
  isLocal: (text: string) => boolean = isPath,
): readonly [string, string] | undefined => {
  const byName = new Map<string, string>()
  for (const text of texts) {
    const name = of(text).toLowerCase()
    const other = byName.get(name)
    if (other !== undefined && other !== text && (isLocal(text) || isLocal(other))) return [other, text]
    byName.set(name, text)
  }
  return undefined
}
