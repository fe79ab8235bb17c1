/**
 * Which line of a manifest is the last one of each result. Lines of the usual form are indexed from their bytes, and all
 * others are decoded, so that a manifest of a million lines opens in a second.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as FileName from "../FileName.ts"
import * as JsonLines from "../JsonLines.ts"
import * as ManifestEntry from "../ManifestEntry.ts"
import type { PrivateDirectory } from "../PrivateDirectory.ts"
import { keyOf, type ResultRef } from "../ResultRef.ts"
import type { StoreError } from "../StoreError.ts"
import * as FormatVersion from "./formatVersion.ts"
import { ManifestHead, ManifestLine } from "./manifestLineForm.ts"
import * as MatchedEntry from "./matchedEntry.ts"
import * as MatchedLines from "./matchedLines.ts"
import * as JsonForm from "./jsonForm.ts"
import { ResultIndex } from "./resultIndex.ts"

type OnDamaged = (damaged: JsonLines.DamagedLine) => Effect.Effect<void>

type Ref = Pick<ResultRef, "index" | "machineActionId">

/** The entries of a manifest with their positions, without those that `skim` takes. */
export const read = (
  directory: PrivateDirectory,
  onDamaged: OnDamaged,
  skim?: JsonLines.Skim,
  part?: JsonLines.Part,
): Stream.Stream<JsonLines.Located<ManifestEntry.ManifestEntry>, StoreError> => {
  const refuseNewer = FormatVersion.refuseNewerLine(directory.pathOf(FileName.single.manifest), ManifestEntry.version)
  return JsonLines.readLocated(directory, FileName.single.manifest, ManifestEntry.ManifestEntry, {
    ...part,
    onDamaged: (damaged) => Effect.andThen(refuseNewer(damaged), onDamaged(damaged)),
    skim,
  })
}

/** Which results are read: those that are stored, or the ones that failed too. */
type Wanted = "completed" | "all"

/** What an index knows of a result. */
const states = { failed: 0, completed: 1 } as const

const encoder = new TextEncoder()

export class ManifestIndex {
  private readonly results: ResultIndex
  /** The keys of investigation packages. Their lines are few and have another form, so that each of them is decoded. */
  private readonly packages = new Set<string>()

  constructor(seed: number) {
    this.results = new ResultIndex(seed)
  }

  /** Takes the lines of the usual form into the index. */
  skim(): JsonLines.Skim {
    const line = new ManifestLine()
    const { match } = line
    return {
      match: (bytes, at) => line.end(bytes, at),
      take: (bytes, _at, offset) => {
        const state = match.kind === undefined ? states.failed : states.completed
        this.results.set(bytes, match.id, match.index, state, offset)
      },
    }
  }

  /** Takes an entry into the index. `offset` is the position of its line. */
  add(entry: ManifestEntry.ManifestEntry, offset: number): void {
    const { index, isPackage, machineActionId, status } = entry
    if (isPackage === true) this.packages.add(keyOf(entry))
    this.results.set(encoder.encode(machineActionId), 0, index, states[status], offset)
  }

  /** Where the last line of a result is, if it is stored. */
  find({ index, machineActionId }: Ref): "failed" | number | undefined {
    const entry = this.results.find(encoder.encode(machineActionId), 0, index)
    if (entry < 0) return undefined
    if (this.results.stateOf(entry) === states.failed) return "failed"
    return this.results.offsetOf(entry)
  }

  isPackage(ref: Ref): boolean {
    return this.packages.has(keyOf(ref))
  }

  /** The results that failed, in the order of their first lines. */
  failed(): Iterable<typeof ResultRef.Encoded> {
    return this.results.withState(states.failed)
  }

  /** Whether the line of an entry is the last one of its result. */
  isLast({ index, machineActionId }: Ref, offset: number): boolean {
    return this.results.offsetOf(this.results.find(encoder.encode(machineActionId), 0, index)) === offset
  }

  /** Takes the last line of each result with such a state, and passes over all others of the usual form. */
  last(wanted: Wanted): MatchedLines.Matched<ManifestEntry.ManifestEntry> {
    const line = new ManifestLine()
    const { match } = line
    const isLast = (bytes: Uint8Array, offset: number) =>
      this.results.offsetOf(this.results.find(bytes, match.id, match.index)) === offset
    return MatchedLines.make<ManifestEntry.ManifestEntry>(
      (bytes, at) => line.end(bytes, at),
      (bytes, at, end, offset) => {
        if ((wanted === "completed" && match.kind === undefined) || !isLast(bytes, offset)) return "skip"
        return (match.kind && MatchedEntry.completed(bytes.subarray(at, end))) ?? "decode"
      },
    )
  }
}

/** Reads a manifest, or a part of it, into an index. */
export const make = Effect.fnUntraced(function* (
  directory: PrivateDirectory,
  onDamaged: OnDamaged,
  part?: JsonLines.Part,
) {
  const index = new ManifestIndex(yield* Random.nextInt)
  yield* Stream.runForEach(read(directory, onDamaged, index.skim(), part), ({ entry, offset }) =>
    Effect.sync(() => index.add(entry, offset)),
  )
  return index
})

/** The last lines of results, in their order. The file is read again, so that memory does not grow with them. */
const readLast = (directory: PrivateDirectory, index: ManifestIndex, wanted: Wanted, part?: JsonLines.Part) =>
  Stream.suspend(() => {
    const { merge, skim } = index.last(wanted)
    return merge(
      read(directory, () => Effect.void, skim, part),
      ({ entry, offset }) => (index.isLast(entry, offset) ? entry : undefined),
    )
  })

/** The last line of each result in the part that was read into the index. */
export const finished = (
  directory: PrivateDirectory,
  index: ManifestIndex,
  part?: JsonLines.Part,
): Stream.Stream<ManifestEntry.ManifestEntry, StoreError> => readLast(directory, index, "all", part)

/** The last lines of the stored results. */
export const completed = (
  directory: PrivateDirectory,
  index: ManifestIndex,
): Stream.Stream<ManifestEntry.Completed, StoreError> =>
  Stream.filter(readLast(directory, index, "completed"), (entry) => entry.status === "completed")

/** Passes over the lines that begin as those of other results. */
export const skipOthers = (ref: Ref): JsonLines.Skim => {
  const isIdOf = JsonForm.text(ref.machineActionId)
  const head = new ManifestHead()
  const isOfAnother = (bytes: Uint8Array) => head.index !== ref.index || isIdOf(bytes, head.id) < 0
  return {
    match: () => -1,
    take: () => {},
    skips: (bytes, at) => head.end(bytes, at) >= 0 && isOfAnother(bytes),
  }
}
