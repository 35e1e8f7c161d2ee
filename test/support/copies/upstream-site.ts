import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { Limits } from '../../../src/depot/limits.ts'
import { formatIdent } from '../../../src/package/ident.ts'
import { buildHart } from '../build-hart.ts'
import type { BuiltHart } from '../build-hart.ts'
import { startLiar } from '../faults/lying-depot.ts'
import { makeOrigin, upload } from '../origin.ts'
import { furnished, startDepot } from '../start-depot.ts'
import type { TestDepot } from '../start-depot.ts'

export const REDIS = 'core/redis/7.0.0/20260101120000'
export const GLIBC = 'core/glibc/2.40/20260101120000'
/** A release of an origin that is not listed. */
export const OTHER = 'acme/app/1.0.0/20260101120000'

export const redis = buildHart({ ident: REDIS, tdeps: [GLIBC] })
/** So large that it is passed on while it arrives. */
export const glibc = buildHart({
  ident: GLIBC,
  files: [{ path: `hab/pkgs/${GLIBC}/lib/libc.so`, content: randomBytes(3 * 1024 * 1024) }],
})

export const startUpstream = furnished(async (started) => {
  for (const origin of ['core', 'acme']) await makeOrigin(started, origin)
  for (const hart of [redis, glibc, buildHart({ ident: OTHER })]) await upload(started, hart)
})

/** Answers a request and returns true, or returns false to let the depot answer. */
export type Lie = (path: string, answer: ServerResponse) => boolean
type Teardown = Parameters<typeof startDepot>[0]

/** A depot, and the upstream depot from which it fetches `core`. */
interface Site {
  readonly site: TestDepot
  readonly upstream: TestDepot
  /** The paths for which upstream was asked. */
  readonly asked: string[]
  readonly upstreamUrl: string
}

/** Starts an upstream depot behind a server that may lie, and a depot that fetches `core` from it. */
export async function startSite(t: Teardown, lie?: Lie, limits: Partial<Limits> = {}): Promise<Site> {
  const { started: upstream } = await startUpstream(t)
  const { url, asked } = await startLiar(t, upstream.url, lie)
  const site = await startDepot(t, {
    listen: true,
    environment: { DEPOT_UPSTREAM: url, DEPOT_UPSTREAM_ORIGINS: 'core' },
    limits,
  })
  return { site, upstream, asked, upstreamUrl: url }
}

export const downloadPath = ({ ident, target }: BuiltHart) =>
  `/v1/depot/pkgs/${formatIdent(ident)}/download?target=${target}`

export async function download({ url }: TestDepot, hart: BuiltHart, headers = {}): Promise<Response> {
  return fetch(url + downloadPath(hart), { headers })
}

export const isDownload = (path: string) => path.includes('/download')
