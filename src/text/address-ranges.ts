import { BlockList, isIP } from 'node:net'

// The addresses that webhooks may reach. Addresses that are not public on the Internet (IANA's
// special-purpose registries, RFC 6890) may belong to the operator's own network, which may trust requests
// from the depot's machine.

const REFUSED_IPV4 = [
  '0.0.0.0/8', //       this host
  '10.0.0.0/8',
  '100.64.0.0/10', //   carrier-grade NAT; includes the metadata address of Alibaba Cloud
  '127.0.0.0/8',
  '168.63.129.16/32', // Azure's metadata address, which looks public
  '169.254.0.0/16', //  link-local, and the metadata address of most clouds
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24', //    documentation, like 198.51.100.0/24 and 203.0.113.0/24
  '192.88.99.0/24', //  6to4 relays
  '192.168.0.0/16',
  '198.18.0.0/15', //   benchmarks
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4', //     multicast
  '240.0.0.0/4', //     reserved, and broadcast
]

// The only range of IPv6 with public addresses. It excludes loopback, link-local, unique-local and multicast
// addresses, and most that embed an IPv4 address, for example IPv4-mapped ones and NAT64. REFUSED_IPV6 lists
// the parts of this range that are not public, for example Teredo and 6to4, which also embed IPv4 addresses.
const PUBLIC_IPV6 = ['2000::/3']
const REFUSED_IPV6 = [
  '2001::/23', //     includes Teredo
  '2001:db8::/32', // documentation, like 3fff::/20
  '2002::/16', //     6to4
  '3fff::/20',
]

const refused = networks([...REFUSED_IPV4, ...REFUSED_IPV6])
const publicIpv6 = networks(PUBLIC_IPV6)

/**
 * Decides which IP addresses webhooks may reach: public ones, and those in the networks that the operator
 * allows. `any` allows every address.
 */
export class AddressPolicy {
  readonly #allowed: BlockList | 'any'

  constructor(allowed: readonly string[] | 'any') {
    this.#allowed = allowed === 'any' ? 'any' : networks(allowed)
  }

  allows(address: string): boolean {
    const [plain = ''] = address.split('%', 1) // without the zone of a link-local address
    const family = familyOf(plain)
    if (family === undefined) return false
    if (this.#allowed === 'any' || this.#allowed.check(plain, family)) return true
    return (family === 'ipv4' || publicIpv6.check(plain, family)) && !refused.check(plain, family)
  }
}

/** Reports whether the text is a network such as `10.0.0.0/8` or `fd00::/8`, or one address. */
export function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/')
  const family = familyOf(address)
  if (family === undefined || rest.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= widthOf(family))
}

/**
 * Reports whether proxy-addr, which fastify uses, accepts the text: addresses, networks, or names of
 * networks.
 */
export function isProxyList(text: string): boolean {
  if (text === 'on' || text === 'off') return true
  return text.split(',').every((item) => {
    const [address = '', bits, ...rest] = item.trim().split('/')
    if (rest.length > 0 || isIP(address) === 0) return bits === undefined && NAMED_NETWORKS.includes(address)
    return (
      bits === undefined ||
      (/^\d{1,3}$/.test(bits) && Number(bits) > 0 && Number(bits) <= (isIP(address) === 4 ? 32 : 128))
    )
  })
}

/** The networks that proxy-addr knows by name. */
const NAMED_NETWORKS: readonly string[] = ['loopback', 'linklocal', 'uniquelocal']

function networks(texts: readonly string[]): BlockList {
  const list = new BlockList()
  for (const text of texts) {
    const [address = '', bits] = text.split('/')
    const family = familyOf(address)
    if (family === undefined) throw new Error(`${text} is not a network`)
    list.addSubnet(address, bits === undefined ? widthOf(family) : Number(bits), family)
  }
  return list
}

function familyOf(address: string): 'ipv4' | 'ipv6' | undefined {
  switch (isIP(address)) {
    case 4:
      return 'ipv4'
    case 6:
      return 'ipv6'
    default:
      return undefined
  }
}

function widthOf(family: 'ipv4' | 'ipv6'): number {
  return family === 'ipv4' ? 32 : 128
}

/** Returns the host of a URL, without the brackets of an IPv6 address. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}

/**
 * Reports whether nobody on the way can change the answers of a URL: it is https, or its host is a loopback
 * address.
 */
export function isSecure(url: URL): boolean {
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(hostOf(url)))
}

function isLoopback(host: string): boolean {
  return isIP(host) === 4 ? host.startsWith('127.') : host === '::1'
}
