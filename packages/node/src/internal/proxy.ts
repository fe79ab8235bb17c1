/** The proxy variables of the environment, as other programs read them. */
import type { ClientSecretCredentialOptions } from "@azure/identity"
import * as PrivateHost from "@live-response/core/PrivateHost"
import * as UrlPassword from "@live-response/core/UrlPassword"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { invalidVariable } from "./invalidVariable.ts"

/** Users and passwords are decoded where the proxy is used, so that they must be decodable. */
const decodePart = Option.liftThrowable(decodeURIComponent)

/** Parses a proxy. `host:port` is one over http. */
export const parse = (text: string): Option.Option<string> => {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`)
  const isProxy =
    url !== null &&
    /^https?:$/.test(url.protocol) &&
    url.hostname !== "" &&
    !UrlPassword.mayBeHost(url) &&
    [url.username, url.password].every((part) => Option.isSome(decodePart(part)))
  return isProxy ? Option.some(url.href) : Option.none()
}

const proxyOf = (name: string, text: string): Effect.Effect<string, Config.ConfigError> =>
  text === ""
    ? Effect.succeed("")
    : Effect.mapError(Effect.fromOption(parse(text)), () =>
        invalidVariable(name, "expected the address of a proxy, such as http://proxy.contoso.com:8080"),
      )

const variable = (name: string) =>
  Config.String(name).pipe(
    Config.withDefault(""),
    Config.map((text) => text.trim()),
  )

/** The variable under either of its names, the lower-case one first. An empty variable is not set. */
const either = (name: string) =>
  Config.all([variable(name.toLowerCase()), variable(name)]).pipe(
    Config.map(([lower, upper]) => (lower === "" ? { name, text: upper } : { name: name.toLowerCase(), text: lower })),
  )

const proxy = (name: string) => Config.mapEffect(either(name), ({ name, text }) => proxyOf(name, text))

/** The variables. An empty text stands for one that is not set. */
export const variables = Config.all({
  httpProxy: proxy("HTTP_PROXY"),
  httpsProxy: proxy("HTTPS_PROXY"),
  noProxy: Config.map(either("NO_PROXY"), ({ text }) => text),
})

/** Whether no request to a host passes a proxy: in plain http, this machine and the agents of containers get a token. */
export const isDirect = (url: URL): boolean =>
  PrivateHost.isLoopback(url) || PrivateHost.agentHosts.includes(url.hostname)

/** The proxy of a sign-in, in the form of `@azure/identity`, which reads `NO_PROXY` itself. */
export const ofSignIn = ({
  httpProxy,
  httpsProxy,
}: Config.Success<typeof variables>): Pick<ClientSecretCredentialOptions, "proxyOptions"> => {
  const url = URL.parse(httpsProxy === "" ? httpProxy : httpsProxy)
  if (url === null) return {}
  const { hostname, password, port, protocol, username } = url
  const defaultPort = protocol === "https:" ? 443 : 80
  const proxyOptions = {
    host: `${protocol}//${hostname}`,
    port: port === "" ? defaultPort : Number(port),
    username,
    password,
  }
  return { proxyOptions }
}

/** The ranges of addresses in `NO_PROXY`, which have no effect. Any other entry may hold a password, and is not repeated. */
const rangesOf = (noProxy: string): ReadonlyArray<string> =>
  noProxy.split(/[,\s]+/).filter((entry) => /^[\da-f.:[\]]+\/\d+$/i.test(entry))

/** Warns of such ranges. */
export const warnOfRanges = Effect.flatMap(variables, ({ noProxy }) => {
  const ranges = rangesOf(noProxy)
  return ranges.length === 0
    ? Effect.void
    : Effect.logWarning(
        `NO_PROXY: ${ranges.join(", ")} is ignored, because hosts are compared by name; name them, as in .contoso.com`,
      )
})
