import type { LookupAddress } from 'node:dns'
import { isIP } from 'node:net'
import type { LookupFunction } from 'node:net'
import { hostOf } from './text/address-ranges.ts'
import type { AddressPolicy } from './text/address-ranges.ts'

// Keeps the depot from connecting to addresses of the operator's own network, for URLs that others choose.

/** Looks up all addresses of a name. */
export type Lookup = (
  hostname: string,
  done: (error: Error | null, addresses: LookupAddress[]) => void,
) => void

export interface AddressGuard {
  /** The addresses to which the depot may connect. */
  readonly addressPolicy: AddressPolicy
  readonly lookup: Lookup
  /** The setting that allows other addresses. */
  readonly setting: string
}

/**
 * Returns a lookup for connections. It returns only allowed addresses, and fails if there are none. It runs
 * when the connection is made, so that a name cannot point elsewhere after the check.
 */
export function guardedLookup({ addressPolicy, lookup, setting }: AddressGuard): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, (error, addresses) => {
      if (error !== null) return callback(error, [])
      const reachable = addresses.filter(({ address }) => addressPolicy.allows(address))
      const [first] = reachable
      const all = addresses.map(({ address }) => address)
      if (first === undefined) callback(new Error(forbiddenAddress(hostname, all, setting)), [])
      else if (options.all === true) callback(null, reachable)
      else callback(null, first.address, first.family)
    })
  }
}

/**
 * Returns why the depot may not connect to a URL whose host is an address, which Node does not look up;
 * `undefined` for an allowed address and for a name.
 */
export function refusalOfAddress(
  url: URL,
  { addressPolicy, setting }: Omit<AddressGuard, 'lookup'>,
): string | undefined {
  const host = hostOf(url)
  return isIP(host) === 0 || addressPolicy.allows(host) ? undefined : forbiddenAddress(host, [host], setting)
}

/** Returns the error message for addresses to which the depot may not connect. */
export function forbiddenAddress(host: string, addresses: readonly string[], setting: string): string {
  const where = addresses.join(', ') === host ? host : `${host} (${addresses.join(', ') || 'no address'})`
  return `${where} is not a public address, and ${setting} does not allow it`
}
