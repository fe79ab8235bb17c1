/** The bodies of requests, each within a bound. */
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/** More than any form or list of commands has. */
const largest = ByteSize.mebibytes(1)

/** The text of a body. A body that is longer, or that breaks off, is as good as none. */
export const textOf = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<string> =>
  request.text.pipe(
    Effect.provideService(HttpServerRequest.MaxBodySize, largest),
    Effect.orElseSucceed(() => ""),
  )

const decodeJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))

/** The value of a body in JSON, if it is one. */
export const jsonOf = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<unknown> =>
  Effect.map(textOf(request), (text) => Option.getOrUndefined(decodeJson(text)))
