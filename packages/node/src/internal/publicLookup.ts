/** Resolves names to addresses on the internet alone. The transport connects to the address that was checked. */
import { lookup } from "node:dns"
import type { LookupFunction } from "node:net"
import { networkInterfaces } from "node:os"
import * as PrivateHost from "@live-response/core/PrivateHost"

/** Whether an address belongs to this machine. It may be one on the internet. */
const isOwn = (address: string): boolean =>
  Object.values(networkInterfaces()).some((own) => own?.some((one) => one.address === address) === true)

/**
 * Fails for a name that has any private address: its public ones may be a decoy. The API's own host may have any address.
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
