/**
 * Flags for how to sign in, and to which cloud. They take precedence over the environment variables that they name.
 */
import * as Cloud from "@live-response/core/Cloud"
import * as NodeCredential from "@live-response/node/NodeCredential"
import type * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { usage } from "../Failure.ts"
import * as Connection from "./Connection.ts"
import * as FlagTypes from "./FlagTypes.ts"

export const flags = {
  auth: Flag.Literals("auth", NodeCredential.Kind.literals).pipe(
    Flag.optional,
    Flag.withMetavar("METHOD"),
    FlagTypes.describe("How to sign in", {
      default: "LIVE_RESPONSE_TOKEN if it is set, else the AZURE_* variables, else Azure's default credential",
      env: "LIVE_RESPONSE_AUTH",
    }),
  ),
  tokenFile: Flag.String("token-file").pipe(
    FlagTypes.notBlank("a file"),
    Flag.optional,
    Flag.withMetavar("FILE"),
    FlagTypes.describe("A file with a bearer token; it is read for every call, so another program can renew it", {
      env: "LIVE_RESPONSE_TOKEN_FILE",
    }),
  ),
  cloud: Flag.Literals("cloud", Cloud.Name.literals).pipe(
    Flag.optional,
    Flag.withMetavar("CLOUD"),
    FlagTypes.describe("The tenant's cloud", { default: "commercial", env: "LIVE_RESPONSE_CLOUD" }),
  ),
  endpoint: FlagTypes.url("endpoint", "Base URL of the API", { default: "the cloud's", env: "LIVE_RESPONSE_ENDPOINT" }),
  authority: FlagTypes.url("authority", "URL of the sign-in server", {
    default: "the cloud's",
    env: "AZURE_AUTHORITY_HOST",
  }),
  audience: Flag.String("audience").pipe(
    FlagTypes.notBlank("a URI"),
    Flag.optional,
    Flag.withMetavar("URI"),
    FlagTypes.describe("Audience that tokens are requested for", {
      default: "the cloud's",
      env: "LIVE_RESPONSE_AUDIENCE",
    }),
  ),
}

/** For commands that follow links to results. */
export const storageHosts = {
  anyStorageHost: FlagTypes.toggle(
    "any-storage-host",
    "Follow links to any storage host; without it, only to storage of Microsoft's clouds",
    { env: "LIVE_RESPONSE_STORAGE_HOSTS=any" },
  ),
}

export type Options = Command.Command.Config.Infer<typeof flags> &
  Partial<Command.Command.Config.Infer<typeof storageHosts> & Connection.Options>

const variable = (name: string, value: Option.Option<string>) =>
  Option.match(value, { onNone: () => ({}), onSome: (value) => ({ [name]: value }) })

/** The environment, in which the flags that were given replace their variables. */
export const environment = Effect.fnUntraced(function* (options: Options) {
  if (Option.isSome(options.auth) && Option.isSome(options.tokenFile)) {
    return yield* usage("choose either --auth or --token-file: a token from a file needs no other sign-in")
  }
  return ConfigProvider.layerAdd(
    ConfigProvider.fromUnknown({
      ...variable("LIVE_RESPONSE_AUTH", options.auth),
      // --token-file wins over a LIVE_RESPONSE_AUTH of the environment.
      ...variable("LIVE_RESPONSE_AUTH", Option.as(options.tokenFile, "token")),
      ...variable("LIVE_RESPONSE_TOKEN_FILE", options.tokenFile),
      ...variable("LIVE_RESPONSE_CLOUD", options.cloud),
      ...variable("LIVE_RESPONSE_ENDPOINT", options.endpoint),
      ...variable("AZURE_AUTHORITY_HOST", options.authority),
      ...variable("LIVE_RESPONSE_AUDIENCE", options.audience),
      ...(options.anyStorageHost === true ? { LIVE_RESPONSE_STORAGE_HOSTS: ["any"] } : {}),
      ...Connection.variables(options),
    }),
    { asPrimary: true },
  )
})
