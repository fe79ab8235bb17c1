/** Whether an object is there, and what is recorded of it. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Info } from "../ObjectStore.ts"
import type { ObjectStoreError } from "../ObjectStoreError.ts"
import * as ForeignNumber from "./foreignNumber.ts"
import type { Answer, Client, Request } from "./objectRequest.ts"

/** Whether there is no object, and the container or the bucket is there. */
export const isMissing = ({ code, status }: Answer): boolean =>
  status === 404 && code !== "ContainerNotFound" && code !== "NoSuchBucket"

const infoOf = ({ headers }: Answer, sha256Header: string): Info => {
  const sha256 = headers[sha256Header]
  return {
    bytes: ForeignNumber.byteCount(headers["content-length"]) ?? 0,
    ...(sha256 !== undefined && /^[0-9a-f]{64}$/.test(sha256) ? { sha256 } : {}),
  }
}

/** Looks an object up. `sha256Header` has its SHA-256, if this library has stored it. */
export const find = (
  client: Client,
  request: Omit<Request, "method">,
  sha256Header: string,
): Effect.Effect<Option.Option<Info>, ObjectStoreError> =>
  Effect.map(
    client.send({ ...request, method: "HEAD" }, (answer) => answer.status === 200 || isMissing(answer)),
    (answer) => (answer.status === 200 ? Option.some(infoOf(answer, sha256Header)) : Option.none()),
  )
