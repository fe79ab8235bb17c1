/** The proxy variables, as other programs read them. */
import type { ClientSecretCredentialOptions } from "@azure/identity"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { invalidVariable } from "./invalidVariable.ts"

/** Who uses a proxy decodes its user and its password. */
const decodePart = Option.liftThrowable(decodeURIComponent)

/** `host:port` is a proxy over http. */
export const parse = (text: string): Option.Option<string> => {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`)
  const isProxy =
    url !== null &&
    /^https?:$/.test(url.protocol) &&
    url.hostname !== "" &&
    [url.username, url.password].every((part) => Option.isSome(decodePart(part)))
  return isProxy ? Option.some(url.href) : Option.none()
}

const proxyOf = (name: string, text: string): Effect.Effect<string, Config.ConfigError> =>
  text === ""
    ? Effect.succeed("")
    : Effect.mapError(Effect.fromOption(parse(text)), () =>
        invalidVariable(name, "is not a proxy, such as http://proxy.contoso.com:8080"),
      )

const variable = (name: string) =>
  Config.String(name).pipe(
    Config.withDefault(""),
    Config.map((text) => text.trim()),
  )

/** The variable by either name: the lower-case one goes first. An empty one is not set. */
const either = (name: string) =>
  Config.all([variable(name.toLowerCase()), variable(name)]).pipe(
    Config.map(([lower, upper]) => (lower === "" ? { name, text: upper } : { name: name.toLowerCase(), text: lower })),
  )

const proxy = (name: string) => Config.mapEffect(either(name), ({ name, text }) => proxyOf(name, text))

/** An empty text is none of them. */
export const variables = Config.all({
  httpProxy: proxy("HTTP_PROXY"),
  httpsProxy: proxy("HTTPS_PROXY"),
  noProxy: Config.map(either("NO_PROXY"), ({ text }) => text),
})

/** The proxy of a sign-in, which is over TLS, in the form that `@azure/identity` takes; it reads `NO_PROXY` itself. */
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

/** Ranges of addresses, which hosts are not compared with: hosts have names here. What is no address may be a password. */
export const ranges = (noProxy: string): ReadonlyArray<string> =>
  noProxy.split(/[,\s]+/).filter((entry) => /^[\da-f.:[\]]+\/\d+$/i.test(entry))
