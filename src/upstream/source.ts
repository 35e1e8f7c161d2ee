import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { setTimeout } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { UpstreamConfig } from '../config/upstream-config.ts'
import { readNamedFile } from '../config/secret-file.ts'
import { DepotError } from '../errors.ts'
import { guardedFetch } from '../remote/guarded-fetch.ts'
import { RemoteDepot } from '../remote/remote-depot.ts'

/** How long upstream may be silent. `hab` waits longer for this depot. */
const IDLE_MS = 30_000

/**
 * How long to try again when upstream fails for a while. `client` is for requests for which a client waits;
 * `background` waits as long as a Retry-After says.
 */
const PATIENCE = {
  client: { pausesMs: [500, 2_000], longestMs: 5_000 },
  background: { pausesMs: [1_000, 5_000, 30_000], longestMs: Number.POSITIVE_INFINITY },
} as const

/**
 * Makes a client of the upstream depot, which follows no redirects. Reads the token and the certificates from
 * the files that the settings name. Throws `invalid_request` if a file is missing or malformed, or if every
 * user may read the token. `signal` ends the requests of the client.
 */
export async function openSource(
  { url, tokenFile, proxy, caFile }: UpstreamConfig,
  patience: keyof typeof PATIENCE,
  { log, signal }: { log: Logger; signal?: AbortSignal },
): Promise<RemoteDepot> {
  const token =
    tokenFile === undefined ? undefined : await readNamedFile(tokenFile, 'DEPOT_UPSTREAM_TOKEN_FILE', log)
  const authorities = caFile === undefined ? undefined : await readAuthorities(caFile)
  const { pausesMs, longestMs } = PATIENCE[patience]
  return new RemoteDepot({
    url,
    token,
    pause: (ms) => setTimeout(Math.min(ms, longestMs), undefined, { signal }),
    pausesMs,
    fetch: guardedFetch({ proxy, authorities, idleMs: IDLE_MS, signal }),
    agent: 'hab-upstream (hart-depot)',
  })
}

async function readAuthorities(file: string): Promise<string> {
  try {
    const text = await readFile(file, 'utf8')
    if (!text.includes('-----BEGIN CERTIFICATE-----')) throw new Error('it has no certificate in PEM')
    createSecureContext({ ca: text }) // throws for certificates that OpenSSL cannot read
    return text
  } catch (error) {
    throw new DepotError(
      'invalid_request',
      `DEPOT_UPSTREAM_CA names ${file}, which cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    )
  }
}
