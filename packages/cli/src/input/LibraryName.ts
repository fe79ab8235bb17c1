/**
 * Files of the library, as `--script` and `--put-file` name them: by their name there, or by a path of this machine.
 */

/** Whether a text is a path of this machine: names in the library have no separator. */
export const isPath = (text: string): boolean => /[/\\]/.test(text)

/** The name in the library: that of the file, if the text is a path. */
export const of = (text: string): string => text.slice(Math.max(text.lastIndexOf("/"), text.lastIndexOf("\\")) + 1)
