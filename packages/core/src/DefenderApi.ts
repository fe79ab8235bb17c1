/**
 * The Defender for Endpoint API, as far as live response results need it.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Retrying } from "./BatchEvent.ts"
import * as Cloud from "./Cloud.ts"
import type { Credential } from "./Credential.ts"
import * as DownloadLink from "./DownloadLink.ts"
import * as ApiCall from "./internal/apiCall.ts"
import * as Permission from "./Permission.ts"
import { Quota } from "./Quota.ts"
import { report } from "./Reporter.ts"
import type { ResultRef } from "./ResultRef.ts"

/**
 * Everything that a call can fail with: no token, no place in the quota's log, or what the API says.
 *
 * @since 0.1.0
 * @category errors
 */
export type ApiError = ApiCall.ApiError

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /**
   * Makes a link to a result. It waits for the quota, and calls again where that may help: after a 429 as long as the
   * API asks for, after a 401 with a new token, after trouble on the way or at the API. `again` says that an earlier
   * link was lost, so that this call goes before those for new links.
   *
   * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-live-response-result
   */
  readonly downloadLink: (
    ref: ResultRef,
    options?: { readonly again?: boolean },
  ) => Effect.Effect<DownloadLink.DownloadLink, ApiError>

  /** The HTTP client as it is, without the bearer: the way out for what this service does not have. */
  readonly client: HttpClient.HttpClient
}

/**
 * The API as typed calls. Each call keeps within its quota, and is the one place where 401, 429 and 5xx are handled.
 *
 * @since 0.1.0
 * @category services
 */
export class DefenderApi extends Context.Service<DefenderApi, Service>()("@live-response/core/DefenderApi") {}

const decodeLinkAnswer = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Struct({ value: Schema.String })))

/** What an answer may hold at most: a link is some hundred bytes, an error a few thousand. */
const bodyLimit = 64 * 1024

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** Base of the API's addresses. By default that of the commercial cloud. */
  readonly base?: string | undefined

  /** Changes the HTTP client, for instance to add a header. The bearer is not set yet when it runs. */
  readonly transformClient?: ((client: HttpClient.HttpClient) => HttpClient.HttpClient) | undefined
}

/**
 * Makes the service from explicit options.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (
  options?: Options,
): Effect.fn.Return<Service, never, HttpClient.HttpClient | Credential | Quota> {
  const client = (options?.transformClient ?? identity)(yield* HttpClient.HttpClient)
  const base = (options?.base ?? Cloud.commercial.base).replace(/\/+$/, "")
  const quota = yield* Quota
  const call = yield* ApiCall.make(client)

  return {
    client,
    downloadLink: Effect.fn("DefenderApi.downloadLink")(function* (ref, options) {
      const operation = `link of ${ref}`
      const { body, date: issuedAt } = yield* call({
        operation,
        request: HttpClientRequest.get(
          `${base}/api/machineactions/${ref.machineActionId}/GetLiveResponseResultDownloadLink(index=${ref.index})`,
          { acceptJson: true },
        ),
        permission: Permission.results,
        quota,
        bodyLimit,
        first: options?.again === true,
        retrying: (error, delay) => report(Retrying.make({ ...ref, delay, message: error.message, error })),
      })
      const answer = yield* Effect.mapError(decodeLinkAnswer(body), () =>
        ApiCall.unexpected(operation, "no link in the body"),
      )
      return yield* Effect.mapError(
        Effect.fromOption(DownloadLink.fromString(answer.value, { issuedAt, from: base })),
        () => ApiCall.unexpected(operation, unsafeLink),
      )
    }),
  }
})

const unsafeLink =
  "the link is not https, or leads to this machine or a private network where the API is not; such links are not followed"

/**
 * The service from explicit options.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<DefenderApi, never, HttpClient.HttpClient | Credential | Quota> =>
  Layer.effect(DefenderApi, make(options))

/**
 * The service with its address from `LIVE_RESPONSE_ENDPOINT`, where that is set.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  base: Config.Config<string> = Config.schema(Cloud.Endpoint, "LIVE_RESPONSE_ENDPOINT").pipe(
    Config.withDefault(Cloud.commercial.base),
  ),
): Layer.Layer<DefenderApi, Config.ConfigError, HttpClient.HttpClient | Credential | Quota> =>
  Layer.unwrap(Effect.map(base, (base) => layer({ base })))
