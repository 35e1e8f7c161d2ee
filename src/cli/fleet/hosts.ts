/** The HTTP gateway of a Supervisor. */
export interface Gateway {
  /** The host as it is written in the list. */
  readonly host: string
  /** The URL to which its routes are appended, without a slash at the end. */
  readonly url: string
}

/** The default port of `hab sup run --listen-http`. */
const USUAL_PORT = 9631
const HOST = /^(?<name>[\w.-]+|\[[\da-fA-F:.]+\])(?::(?<port>\d{1,5}))?$/
const BARE_IPV6 = /^[\da-fA-F]*:[\da-fA-F:.]*:[\da-fA-F:.]*$/

/**
 * Parses a list of hosts, one per line. A host is a name or an address, with a port if it is not 9631, or an
 * http or https URL. `#` begins a comment. Repeated hosts are dropped. Throws a RangeError with the number of
 * a line that is not a host.
 */
export function parseHosts(text: string): Gateway[] {
  const gateways = new Map<string, Gateway>()
  for (const [index, line] of text.split('\n').entries()) {
    const host = line.replace(/(^|\s)#.*$/, '').trim()
    if (host === '') continue
    const url = urlOf(host)
    if (url === undefined)
      throw new RangeError(
        `line ${index + 1}: ${JSON.stringify(host)} is no host: write app1.example, 10.0.0.7:9631 or https://app1.example:9631`,
      )
    if (!gateways.has(url)) gateways.set(url, { host, url })
  }
  return [...gateways.values()]
}

function urlOf(host: string): string | undefined {
  const { name, port = USUAL_PORT } = HOST.exec(host)?.groups ?? {}
  const text = BARE_IPV6.test(host)
    ? `http://[${host}]:${USUAL_PORT}`
    : name === undefined
      ? host
      : `http://${name}:${port}`
  try {
    const { protocol, origin, pathname, username, search } = new URL(text)
    if (!['http:', 'https:'].includes(protocol) || username !== '' || search !== '') return undefined
    return `${origin}${pathname.replace(/\/+$/, '')}`
  } catch {
    return undefined
  }
}
