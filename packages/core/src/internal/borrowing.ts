/**
 * Writers of this library that refer to no bytes of a chunk once its write has returned, so that its memory may be used
 * again. They are known by identity and not by a property: a program's own writer may wrap one of them and keep the chunks.
 */
const writers = new WeakSet()

export const allowBorrowing = <A extends object>(writer: A): A => {
  writers.add(writer)
  return writer
}

export const mayBorrow = (writer: object): boolean => writers.has(writer)
