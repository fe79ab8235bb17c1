/** The proxy variables, as other programs read them. */
import * as Config from "effect/Config"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/** `host:port` is a proxy over http. */
export const parse = (text: string): Option.Option<string> => {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`)
  return url !== null && /^https?:$/.test(url.protocol) && url.hostname !== "" ? Option.some(url.href) : Option.none()
}

/** An empty variable is not set. What it holds may be a password, so nothing of it is in the message. */
const Proxy = Schema.String.check(
  Schema.makeFilter((text: string) =>
    text.trim() === "" || Option.isSome(parse(text.trim()))
      ? undefined
      : "is not a proxy, such as http://proxy.contoso.com:8080",
  ),
)

/** The variable by either name: the lower-case one goes first. */
const either = (schema: Schema.Codec<string, string>, name: string) =>
  Config.all([
    Config.schema(schema, name.toLowerCase()).pipe(Config.withDefault("")),
    Config.schema(schema, name).pipe(Config.withDefault("")),
  ]).pipe(Config.map(([lower, upper]) => lower.trim() || upper.trim()))

const proxy = (name: string) => Config.map(either(Proxy, name), (text) => Option.getOrElse(parse(text), () => ""))

/** An empty text is none of them. */
export const variables = Config.all({
  httpProxy: proxy("HTTP_PROXY"),
  httpsProxy: proxy("HTTPS_PROXY"),
  noProxy: either(Schema.String, "NO_PROXY"),
})

/** Ranges of addresses, which hosts are not compared with: hosts have names here. */
export const ranges = (noProxy: string): ReadonlyArray<string> =>
  noProxy.split(/[,\s]+/).filter((entry) => /\/\d+$/.test(entry))
