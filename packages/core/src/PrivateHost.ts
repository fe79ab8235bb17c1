/**
 * Hosts that are not on the internet: this machine, private networks, and the internal services of a cloud. The links of an
 * API on the internet lead to none of them.
 *
 * @since 0.1.0
 */
import * as IpNetwork from "effect/net/IpNetwork"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"

/** Parses networks when they are first needed: most commands need none. */
const parsedOnce = (texts: ReadonlyArray<string>) => {
  let networks: ReadonlyArray<IpNetwork.IpNetwork> | undefined
  return () => (networks ??= texts.map(IpNetwork.fromStringUnsafe))
}

/** Addresses that are not routed on the internet, and those at which clouds hand out credentials. */
const privateNetworks = parsedOnce([
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  // Multicast, reserved, and broadcast.
  "224.0.0.0/3",
  // Azure's wire server.
  "168.63.129.16/32",
  "::/96",
  "64:ff9b:1::/48",
  "100::/64",
  "2001::/32",
  "2001:10::/28",
  "2001:20::/28",
  "2001:db8::/32",
  "2002::/16",
  "3fff::/20",
  "5f00::/16",
  "fc00::/7",
  "fe80::/10",
  "fec0::/10",
  "ff00::/8",
])

/** Networks whose last four bytes are an IPv4 address: IPv4-mapped, IPv4-translated, and NAT64. */
const embeddingNetworks = parsedOnce(["::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96"])

const ipv4In = (address: NetAddress.IpAddress): NetAddress.IpAddress => {
  if (!NetAddress.isIpv6Address(address) || !embeddingNetworks().some(IpNetwork.contains(address))) return address
  const segments = NetAddress.ipv6ToSegments(address)
  const octets = segments.slice(-2).flatMap((segment) => [segment >> 8, segment & 255])
  return NetAddress.ipv4FromBytesUnsafe(Uint8Array.from(octets))
}

/**
 * Whether an IP address belongs to this machine, to a private network, or to no host on the internet.
 *
 * **Details**
 *
 * An IPv6 address that stands for an IPv4 address (IPv4-mapped, IPv4-translated, NAT64) is private where that one is. 6to4 and Teredo
 * addresses are private. A text that is not an address is private.
 *
 * @example
 * ```ts
 * import * as PrivateHost from "@live-response/core/PrivateHost"
 *
 * console.log(PrivateHost.isPrivateAddress("64:ff9b::7f00:1")) // true
 * console.log(PrivateHost.isPrivateAddress("20.60.1.1")) // false
 * ```
 *
 * @since 0.1.0
 * @category predicates
 */
export const isPrivateAddress = (address: string): boolean =>
  Result.match(NetAddress.ipFromString(address.split("%", 1).join()), {
    onFailure: () => true,
    onSuccess: (ip) => privateNetworks().some(IpNetwork.contains(ipv4In(ip))),
  })

/**
 * Whether the host of a URL is this machine: `localhost`, or an address of the loopback interface.
 *
 * **Details**
 *
 * A secret may be sent there in plain http. No proxy may pass it on, because it would have the secret.
 *
 * @example
 * ```ts
 * import * as PrivateHost from "@live-response/core/PrivateHost"
 *
 * console.log(PrivateHost.isLoopback(new URL("http://127.0.0.2:8080"))) // true
 * console.log(PrivateHost.isLoopback(new URL("http://10.0.0.1:8080"))) // false
 * ```
 *
 * @since 0.1.0
 * @category predicates
 */
export const isLoopback = ({ hostname }: Pick<URL, "hostname">): boolean =>
  hostname === "localhost" ||
  Result.match(NetAddress.ipFromString(hostname.replace(/^\[(.*)\]$/, "$1")), {
    onFailure: () => false,
    onSuccess: NetAddress.isLoopback,
  })

/**
 * Where the agents of containers answer, in plain http: on ECS, and on EKS. The network of the host ends there.
 *
 * **When to use**
 *
 * In a transport: a request to these hosts has a token, and must not pass a proxy.
 *
 * @since 0.1.0
 * @category models
 */
export const agentHosts: ReadonlyArray<string> = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"]

/** Domains that no name server of the internet knows, or should know. */
const localName = /(^|\.)(localhost|local|internal|intranet|lan|home|corp|private|arpa|localdomain|test|invalid|onion)$/

/**
 * Whether the host of a URL is private: a private address, a name without a dot, or a name under a domain that is not on
 * the internet.
 *
 * **Gotchas**
 *
 * A public name may resolve to a private address, which only the transport sees: `NodeTransport.layerPublic` checks the
 * address that it connects to.
 *
 * @example
 * ```ts
 * import * as PrivateHost from "@live-response/core/PrivateHost"
 *
 * console.log(PrivateHost.isPrivate(new URL("https://fileserver/r"))) // true
 * console.log(PrivateHost.isPrivate(new URL("https://example.blob.core.windows.net/r"))) // false
 * ```
 *
 * @since 0.1.0
 * @category predicates
 */
export const isPrivate = ({ hostname }: URL): boolean => {
  if (hostname.startsWith("[")) return isPrivateAddress(hostname.slice(1, -1))
  if (/^\d+(\.\d+){3}$/.test(hostname)) return isPrivateAddress(hostname)
  const name = hostname.replace(/\.$/, "")
  return !name.includes(".") || localName.test(name)
}

/**
 * The `code` of the error of a transport that refuses to connect to a name, because it resolves to a private address.
 *
 * @since 0.1.0
 * @category predicates
 */
export const errorCode = "ERR_PRIVATE_ADDRESS"
