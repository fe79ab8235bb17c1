/** Reads an object in ranges, each of which is requested again where it breaks. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as ObjectStore from "../ObjectStore.ts"
import { Missing, type ObjectStoreError, Unexpected } from "../ObjectStoreError.ts"
import * as ForeignNumber from "./foreignNumber.ts"
import { isMissing } from "./objectInfo.ts"
import type { Answer, Client, Request } from "./objectRequest.ts"

/** In bytes: what is in memory of an object that is read. */
const rangeLength = 4 * 1024 * 1024

interface Position {
  readonly offset: number
  readonly etag: string | undefined
}

const start: Position = { offset: 0, etag: undefined }

const isRange = (answer: Answer) => [200, 206, 412, 416].includes(answer.status) || isMissing(answer)

export const read = (client: Client, address: string, request: Request): Stream.Stream<Uint8Array, ObjectStoreError> =>
  Stream.paginate(
    start,
    Effect.fnUntraced(function* ({ etag, offset }: Position) {
      const range = `bytes=${offset}-${offset + rangeLength - 1}`
      const headers = { ...request.headers, range, ...(etag === undefined ? {} : { "if-match": etag }) }
      const answer = yield* client.fetch({ ...request, headers }, rangeLength, isRange)
      const { bytes, status } = answer
      if (status === 404 && offset === 0) return yield* ObjectStore.failed(address, request.object, new Missing())
      // Nothing is in the range: the object is empty.
      if (status === 416 && offset === 0) return [[], Option.none<Position>()] as const
      const { start, total } = ForeignNumber.contentRange(answer.headers["content-range"])
      if (status === 200 && offset === 0) return [[bytes], Option.none<Position>()] as const
      const end = offset + bytes.length
      const isWhole =
        status === 206 && start === offset && total !== undefined && end === Math.min(total, offset + rangeLength)
      if (!isWhole) {
        const description = "the object changed while it was read, or a range of it is not the one that was requested"
        return yield* ObjectStore.failed(address, request.object, new Unexpected({ description }))
      }
      const next = { offset: end, etag: etag ?? answer.headers["etag"] }
      return [[bytes], end < total ? Option.some(next) : Option.none<Position>()] as const
    }),
  )
