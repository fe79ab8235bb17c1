/**
 * Temporary keys of Amazon for a workload that has no secret of its own: from a token of its cluster, or from the agent of its
 * container.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Keys } from "./AwsSignature.ts"
import * as Credential from "./Credential.ts"
import { CredentialError, Missing, Refused, Unreachable } from "./CredentialError.ts"
import * as Connection from "./internal/connectionFailure.ts"
import { foreignText } from "./internal/foreignText.ts"
import * as Http from "./internal/httpExchange.ts"
import * as SecureUrl from "./internal/secureUrl.ts"
import { elementOf, unescapeXml } from "./internal/objectRequest.ts"
import * as PrivateHost from "./PrivateHost.ts"
import type { KeySource } from "./S3ObjectStore.ts"
import * as SecretFile from "./SecretFile.ts"
import * as UrlPassword from "./UrlPassword.ts"
import * as StoreError from "./StoreError.ts"
import { Timing } from "./Timing.ts"

/** Keys as the one text that a credential caches and renews. */
const KeysText = Schema.fromJsonString(
  Schema.Struct({ accessKeyId: Schema.String, secretAccessKey: Schema.String, sessionToken: Schema.String }),
)
const encodeKeys = Schema.encodeEffect(KeysText)
const decodeKeys = Schema.decodeUnknownEffect(KeysText)

/** What both services answer, by the names that they share. */
const Answered = Schema.Struct({
  AccessKeyId: Schema.NonEmptyString,
  SecretAccessKey: Schema.NonEmptyString,
  Token: Schema.NonEmptyString,
  Expiration: Schema.DateTimeUtcFromString,
})

const decodeAnswer = Schema.decodeUnknownOption(Answered)
const decodeJsonAnswer = Schema.decodeUnknownOption(Schema.fromJsonString(Answered))

const unreachable = (trouble: Connection.Trouble) =>
  new CredentialError({ reason: new Unreachable(Connection.fieldsOf(trouble)) })

const missing = (description: string) => new CredentialError({ reason: new Missing({ description }) })

/** In bytes: keys have some two thousand. */
const longestAnswer = 64 * 1024

/** Reads the token that another program renews. */
const readToken = (path: string) =>
  Effect.mapError(SecretFile.read(path), (error) =>
    missing(`can't read ${SecretFile.nameOf(path)} (${StoreError.describe(error)})`),
  )

/** Checks an address before a token is sent there. The message leaves the address out, because it may hold a secret. */
const checkEndpoint = (endpoint: string, variable: string, plainHosts: ReadonlyArray<string>) => {
  const url = SecureUrl.parse(endpoint, plainHosts)
  if (Option.exists(url, (url) => !UrlPassword.mayBeHost(url))) return Effect.void
  const plain = ["127.0.0.1", "[::1]", "localhost", ...plainHosts].join(", ")
  return Effect.fail(
    missing(`${variable} is not an https URL without a user or a password (plain http is for ${plain} alone)`),
  )
}

interface Exchange {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly token: string
}

/** A source of keys that are cached, and renewed before they expire, as tokens are. */
const make = Effect.fnUntraced(function* <R>(
  exchange: Effect.Effect<Exchange, CredentialError, R>,
  read: (body: string) => Option.Option<typeof Answered.Type>,
): Effect.fn.Return<KeySource, never, HttpClient.HttpClient | Scope.Scope | R> {
  const client = yield* HttpClient.HttpClient
  const context = yield* Effect.context<R>()
  const { headTimeout, stallTimeout } = yield* Timing
  const bounds = { size: longestAnswer, stall: stallTimeout, total: headTimeout }
  const credential = yield* Credential.make(() =>
    Effect.gen(function* () {
      const { request, token } = yield* exchange
      const { body, response } = yield* Effect.mapError(
        Http.exchange(client, request, { headTimeout, bounds }),
        unreachable,
      )
      const answer = Option.getOrUndefined(response.status === 200 ? read(body) : Option.none())
      if (answer === undefined) {
        const { status } = response
        if (status >= 500 || status === 429) return yield* unreachable({ description: `HTTP ${status}` })
        const secrets = [Redacted.make(token)]
        const code = foreignText(elementOf(body, "Code") ?? `HTTP ${status}`, secrets, 80)
        const message = foreignText(unescapeXml(elementOf(body, "Message") ?? ""), secrets, 200)
        const description = message === "" ? code : message
        return yield* new CredentialError({ reason: new Refused({ error: code, description }) })
      }
      const text = yield* Effect.orDie(
        encodeKeys({
          accessKeyId: answer.AccessKeyId,
          secretAccessKey: answer.SecretAccessKey,
          sessionToken: answer.Token,
        }),
      )
      return { token: Redacted.make(text), expires: answer.Expiration.epochMilliseconds }
    }).pipe(Effect.provideContext(context)),
  )
  return {
    current: Effect.flatMap(credential.token, (text) => Effect.orDie(decodeKeys(Redacted.value(text)))).pipe(
      Effect.map(({ accessKeyId, secretAccessKey, sessionToken }): Keys => ({
        accessKeyId,
        secretAccessKey: Redacted.make(secretAccessKey),
        sessionToken: Redacted.make(sessionToken),
      })),
    ),
    invalidate: Effect.flatMap(Effect.option(credential.token), (token) =>
      Option.isSome(token) ? credential.invalidate(token.value) : Effect.void,
    ),
  }
})

/**
 * Keys of a role, for the token of a workload in a file, as Kubernetes has it (`AssumeRoleWithWebIdentity`).
 *
 * **Details**
 *
 * `endpoint` is by default that of the region's own token service. It is https, because the token is sent there; plain http is for
 * this machine alone. Keys are cached, and renewed five minutes before they expire.
 *
 * @see https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
 * @since 0.1.0
 * @category constructors
 */
export const fromWebIdentity = (options: {
  readonly roleArn: string
  readonly tokenFile: string
  readonly region: string
  readonly endpoint?: string | undefined
}): Effect.Effect<KeySource, CredentialError, HttpClient.HttpClient | Scope.Scope | FileSystem.FileSystem> => {
  const endpoint = options.endpoint ?? `https://sts.${options.region}.amazonaws.com/`
  const exchange = Effect.map(readToken(options.tokenFile), (token) => ({
    token,
    request: HttpClientRequest.post(endpoint).pipe(
      HttpClientRequest.bodyUrlParams({
        Action: "AssumeRoleWithWebIdentity",
        Version: "2011-06-15",
        RoleArn: options.roleArn,
        RoleSessionName: "live-response",
        WebIdentityToken: token,
      }),
    ),
  }))
  const source = make(exchange, (body) => {
    const element = (name: string) => unescapeXml(elementOf(body, name) ?? "")
    return decodeAnswer({
      AccessKeyId: element("AccessKeyId"),
      SecretAccessKey: element("SecretAccessKey"),
      Token: element("SessionToken"),
      Expiration: element("Expiration"),
    })
  })
  return Effect.andThen(checkEndpoint(endpoint, "AWS_ENDPOINT_URL_STS", []), source)
}

/**
 * Keys of the agent that runs beside a container, such as that of EKS Pod Identity. `tokenFile` has what it is asked with.
 *
 * **Details**
 *
 * As in Amazon's SDKs, `endpoint` is https, or plain http on this machine or at the address of an agent: 169.254.170.2,
 * 169.254.170.23 or [fd00:ec2::23].
 *
 * @see https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
 * @since 0.1.0
 * @category constructors
 */
export const fromContainer = (options: {
  readonly endpoint: string
  readonly tokenFile: string
}): Effect.Effect<KeySource, CredentialError, HttpClient.HttpClient | Scope.Scope | FileSystem.FileSystem> =>
  Effect.andThen(
    checkEndpoint(options.endpoint, "AWS_CONTAINER_CREDENTIALS_FULL_URI", PrivateHost.agentHosts),
    make(
      Effect.map(readToken(options.tokenFile), (token) => ({
        token,
        request: HttpClientRequest.get(options.endpoint).pipe(HttpClientRequest.setHeader("authorization", token)),
      })),
      decodeJsonAnswer,
    ),
  )
