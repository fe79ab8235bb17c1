/** Name resolution that leads to the internet alone: the address that is connected to is the one that was checked. */
import { lookup } from "node:dns"
import type { LookupFunction } from "node:net"
import { networkInterfaces } from "node:os"
import * as PrivateHost from "@live-response/core/PrivateHost"

/** Whether an address is this machine's, also where it is one of the internet. */
const isOwn = (address: string): boolean =>
  Object.values(networkInterfaces()).some((own) => own?.some((one) => one.address === address) === true)

/**
 * Fails for a name of which any address is private: what else it resolves to may be for show. The API's own host is called
 * anyway, wherever it is.
 */
export const publicLookup =
  (apiHost: string): LookupFunction =>
  (hostname, options, callback) =>
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      const [first] = addresses ?? []
      if (error !== null || first === undefined) return callback(error, [])
      if (
        hostname !== apiHost &&
        addresses.some(({ address }) => PrivateHost.isPrivateAddress(address) || isOwn(address))
      ) {
        const refusal = new Error(`${hostname} resolves to an address of this machine or of a private network`)
        return callback(Object.assign(refusal, { code: PrivateHost.errorCode }), [])
      }
      return options.all === true ? callback(null, addresses) : callback(null, first.address, first.family)
    })
