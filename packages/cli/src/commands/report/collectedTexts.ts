/**
 * The texts of a report, each once, and what it has of them at most.
 */
import * as Format from "../../output/Format.ts"
import type { Text } from "./payload.ts"

/** What a report has at most. Beyond it, the report says how much of it there is. */
export const limits = {
  /** Characters of one output. */
  output: 2_000,
  /** Characters of all outputs. */
  outputs: 8_000_000,
  /** Characters of a first line, of a reason, and of a field's value. */
  line: 160,
  /** Fields by which outputs can be stacked, and their values in all. */
  fields: 50,
  values: 500_000,
  /** Fields that are counted although they are not in the report. */
  counted: 10_000,
} as const

/** Shortens a text without splitting a surrogate pair. */
const shorten = (text: string, limit: number): string => {
  if (text.length <= limit) return text
  const end = /[\uD800-\uDBFF]/.test(text[limit - 1] ?? "") ? limit - 1 : limit
  return text.slice(0, end)
}

/** Makes a key of a text that is not in the report, so that it needs no memory. */
export type HashOf = (text: string) => string

/** In hexadecimal digits: how much of a hash is shown. */
const shownDigits = 12

/** Texts, each once. */
export class Texts {
  readonly all: Array<string> = [""]
  private readonly indexes = new Map([["", 0]])
  /** Of texts that are shortened, by the hash of the whole. */
  private readonly byHash = new Map<string, number>()
  private readonly hashOf: HashOf

  constructor(hashOf: HashOf) {
    this.hashOf = hashOf
  }

  add(text: string): Text {
    const known = this.indexes.get(text)
    if (known !== undefined) return known
    const index = this.append(text)
    this.indexes.set(text, index)
    return index
  }

  /** Adds a text that occurs once, such as an id, and so needs no key. */
  append(text: string): Text {
    return text === "" ? 0 : this.all.push(text) - 1
  }

  /** Adds a part of a long text as a copy: otherwise it keeps the whole of it in memory, such as a first line all of an output. */
  addPart(part: string): Text {
    return this.indexes.get(part) ?? this.add(String(JSON.parse(JSON.stringify(part))))
  }

  /**
   * Adds a text of which at most `limit` characters are shown. Texts that differ have different indexes, wherever they differ: the
   * report groups by them.
   */
  addShortened(text: string, limit: number): Text {
    if (text.length <= limit) return this.addPart(text)
    const hash = this.hashOf(text)
    const known = this.byHash.get(hash)
    if (known !== undefined) return known
    const rest = `… (${Format.count(text.length)} characters, SHA-256 ${hash.slice(0, shownDigits)}…)`
    const index = this.append(String(JSON.parse(JSON.stringify(shorten(text, limit - rest.length) + rest))))
    this.byHash.set(hash, index)
    return index
  }

  /** Adds a text that is shown in one line. */
  addLine(text: string): Text {
    return this.addShortened(text, limits.line)
  }

  /** The index of a text, or -1. */
  find(text: string): Text {
    return this.indexes.get(text) ?? -1
  }

  lengthOf(text: Text): number {
    return this.all[text]?.length ?? 0
  }
}

/** Normalised outputs, each once. */
export class Outputs {
  readonly start: Array<Text> = []
  readonly characters: Array<number> = []
  shown = 0
  private left: number = limits.outputs
  /** By the output itself if all of it is in the report, else by its hash. */
  private readonly byText = new Map<Text, number>()
  private readonly byHash = new Map<string, number>()
  private readonly texts: Texts
  private readonly hashOf: HashOf

  constructor(texts: Texts, hashOf: HashOf) {
    this.texts = texts
    this.hashOf = hashOf
  }

  private append(output: string, start: Text): number {
    if (start !== 0 || output === "") this.shown++
    this.left -= this.texts.lengthOf(start)
    this.characters.push(output.length)
    return this.start.push(start) - 1
  }

  add(output: string): number {
    const known = this.byText.get(this.texts.find(output))
    if (known !== undefined) return known
    // What does not fit now does not fit later, so an output is never in both maps.
    if (output.length <= limits.output && output.length <= this.left) {
      const text = this.texts.add(output)
      const index = this.append(output, text)
      this.byText.set(text, index)
      return index
    }
    return this.addByHash(output, this.hashOf(output))
  }

  private addByHash(output: string, hash: string): number {
    const known = this.byHash.get(hash)
    if (known !== undefined) return known
    const start = shorten(output, limits.output)
    const index = this.append(output, start.length <= this.left ? this.texts.addPart(start) : 0)
    this.byHash.set(hash, index)
    return index
  }
}
