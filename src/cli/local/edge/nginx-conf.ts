import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { nginxConf as write } from '../../../edge/nginx-conf.ts'
import { SEVERAL, collect, examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { UsageError } from '../../exit-codes.ts'
import { pathOf } from '../../io.ts'
import type { Io } from '../../io.ts'

const DEPOT = '127.0.0.1:9636'
/** A host name, an IPv4 address, or an IPv6 address in brackets, with a port. */
const ADDRESS = /^(?:[\w.-]+|\[[\da-fA-F:.]+\]):\d{1,5}$/
const LISTEN = /^(?:(?:[\w.*-]+|\[[\da-fA-F:.]+\]):)?\d{1,5}$/
const SERVER_NAME = /^[\w.*-]+$/

export const nginxConf: Define = (command, io) =>
  command
    .option('--files <folder>', 'the folder that hart-depot materialize writes')
    .option('--upstream <host:port>', `a depot, by default ${DEPOT}; ${SEVERAL}`, collect)
    .option('--listen <address>', 'what nginx listens on; the default is 443 with TLS, and else 80')
    .option('--server-name <name>', 'the name of the server')
    .option('--tls <certificate>', 'the certificate, with those of intermediate authorities')
    .option('--tls-key <key>', 'the key of the certificate')
    .option('--blobs <place>', 'send packages from this folder, or from the S3 service at this URL')
    .option('--direct <host:port>', 'a second address, without files, for materialize')
    .addHelpText(
      'after',
      examples([
        [
          'nginx-conf --files /var/lib/hart-depot-edge > /etc/nginx/conf.d/hart-depot.conf',
          'serve the files, and pass all other requests to the depot of this machine',
        ],
        [
          'nginx-conf --files /run/edge --upstream 10.0.0.1:9636,10.0.0.2:9636 --direct 127.0.0.1:9635 ' +
            '--tls /etc/ssl/depot.pem --tls-key /etc/ssl/private/depot.key',
          'use two depots, and end TLS; materialize --url http://127.0.0.1:9635 reads from either',
        ],
      ]),
    )
    .action(async ({ files, upstream: upstreams = [DEPOT], listen, serverName, direct, ...options }) => {
      const tls = tlsOf(io, options)
      for (const address of [...upstreams, ...(direct === undefined ? [] : [direct])])
        expect(ADDRESS, address, 'an address is HOST:PORT')
      if (listen !== undefined) expect(LISTEN, listen, '--listen is a port, or HOST:PORT')
      if (serverName !== undefined) expect(SERVER_NAME, serverName, '--server-name is the name of a host')
      if (tls !== undefined) await adviseKey(io, tls.certificate)
      const text = orUsageError(() =>
        write({
          files: files === undefined ? undefined : pathOf(io, files),
          upstreams,
          listen: listen ?? (tls === undefined ? '80' : '443'),
          serverName,
          tls,
          blobs: placeOf(io, options.blobs),
          direct,
        }),
      )
      io.stdout.write(text)
    })

/** Calls a function, and throws its RangeError as a UsageError. */
function orUsageError<Result>(act: () => Result): Result {
  try {
    return act()
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message) : error
  }
}

function tlsOf(
  io: Io,
  { tls, tlsKey }: { tls?: string | undefined; tlsKey?: string | undefined },
): { certificate: string; key: string } | undefined {
  if (tls === undefined && tlsKey === undefined) return undefined
  if (tls === undefined || tlsKey === undefined)
    throw new UsageError('--tls names the certificate and --tls-key its key: give both, or neither')
  return { certificate: pathOf(io, tls), key: pathOf(io, tlsKey) }
}

function placeOf(io: Io, place: string | undefined): string | undefined {
  if (place === undefined || /^https?:\/\/[\w.:[\]-]+\/?$/.test(place)) return place
  if (place.includes('://'))
    throw new UsageError(`--blobs is a folder or the URL of an S3 service, not ${place}`)
  return pathOf(io, place)
}

function expect(form: RegExp, text: string, what: string): void {
  if (!form.test(text)) throw new UsageError(`${what}, not ${JSON.stringify(text)}`)
}

/** Warns of a key that makes handshakes dear. Says nothing if the certificate is not on this machine. */
async function adviseKey(io: Io, certificate: string): Promise<void> {
  try {
    const { publicKey } = new X509Certificate(await readFile(certificate))
    if (publicKey.asymmetricKeyDetails?.namedCurve === 'prime256v1') return
  } catch {
    return
  }
  io.stderr.write(`${certificate} has no key on P-256, which makes each poll dearer: see docs/tls.md\n`)
}
