/**
 * Refuses the debug switches of Node that print links and tokens (`NODE_DEBUG`). Node reads them before this program
 * starts, so that they can't be turned off here.
 */

/** The parts of Node and of undici that print addresses, headers or bytes of a connection. */
const sections = ["http", "http2", "https", "net", "stream", "tls", "undici", "fetch", "quic"]
const native = ["HTTP2SESSION", "HTTP2STREAM", "HTTP", "TLS", "CRYPTO", "QUIC"]

/** Whether a text matches a pattern, in which `*` stands for any characters. */
const matches = (pattern: string, text: string): boolean => {
  const [first = "", ...others] = pattern.split("*")
  const last = others.pop()
  if (last === undefined) return text === first
  if (!text.startsWith(first)) return false
  let end = first.length
  for (const part of others) {
    const start = text.indexOf(part, end)
    if (start < 0) return false
    end = start + part.length
  }
  return end + last.length <= text.length && text.endsWith(last)
}

/** Whether a list of names, separated by commas and in any case, has the section. */
const isNamed = (names: string, section: string): boolean =>
  names.split(",").some((name) => matches(name.trim().toLowerCase(), section.toLowerCase()))

/** What is wrong with the environment, if anything is. */
export const problemOf = (env: Readonly<Record<string, string | undefined>>): string | undefined => {
  const switches = [
    { name: "NODE_DEBUG", sections },
    { name: "NODE_DEBUG_NATIVE", sections: native },
  ]
  const found = switches.find(({ name, sections }) => sections.some((section) => isNamed(env[name] ?? "", section)))
  return found === undefined
    ? undefined
    : `${found.name} prints links and tokens, which are secrets; unset it, and use --verbose to see the calls without them`
}
