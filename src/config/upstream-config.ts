import { z } from 'zod'
import { DepotError } from '../errors.ts'
import type { Target } from '../package/target.ts'
import { formatSize } from '../text/size.ts'
import { STABLE } from '../views/view.ts'
import { count, list, originNames, period, refreshableChannels, size, targets } from './setting-values.ts'

/** How the depot reaches the Builder or the hart-depot from which it fetches releases. */
export interface UpstreamConfig {
  /** The URL of the depot, without credentials. */
  readonly url: string
  /** The origins that are fetched. No other origin is ever asked for upstream. */
  readonly origins: readonly string[]
  /** The channels of these origins that the depot has as views, and keeps up to date. */
  readonly channels: readonly string[]
  /** How long after a refresh of these channels the next one begins; 0 for refreshes on demand only. */
  readonly refreshMs: number
  /** What is fetched before somebody asks for it. */
  readonly mirror: MirrorConfig | undefined
  /** A file that holds a token for upstream. */
  readonly tokenFile: string | undefined
  /** The URL of an HTTP proxy, which may have credentials. */
  readonly proxy: string | undefined
  /** A file with the certificates of authorities that are trusted in addition to those of Node, in PEM. */
  readonly caFile: string | undefined
}

/** What a mirror keeps here, always together with its dependencies, and how it fetches. */
export interface MirrorConfig {
  /** Channels of upstream origins, of which the newest releases are kept. */
  readonly channels: readonly { readonly origin: string; readonly channel: string }[]
  /** How many releases of each package are kept of these channels. */
  readonly newest: number
  /** Views that need everything that their latest packages depend on. */
  readonly views: readonly string[]
  readonly targets: readonly Target[]
  /** How long after a run the next one begins; 0 for runs on demand only. */
  readonly everyMs: number
  /** The rate at which packages are fetched, in bytes per second; 0 is not limited. */
  readonly bytesPerS: number
  /** How many packages are fetched at the same time. */
  readonly parallel: number
}

const DEFAULT_MIRROR_MS = 24 * 60 * 60_000
const MAX_NEWEST = 100
const MAX_PARALLEL = 4
/** A slower download would look like a stalled one. */
const MIN_RATE = 64 * 1024
const MIN_REFRESH_MS = 60_000
const DEFAULT_REFRESH_MS = 15 * 60_000

/** The settings of upstream. Each of them needs `DEPOT_UPSTREAM`. */
export const UPSTREAM_VARIABLES = {
  DEPOT_UPSTREAM: z
    .url({ protocol: /^https?$/, error: 'must be a URL, such as https://bldr.habitat.sh' })
    .refine(hasNoSecret, 'must have no token in it: use DEPOT_UPSTREAM_TOKEN_FILE')
    .optional(),
  DEPOT_UPSTREAM_ORIGINS: originNames.optional(),
  DEPOT_UPSTREAM_CHANNELS: refreshableChannels.optional(),
  DEPOT_UPSTREAM_REFRESH: period(MIN_REFRESH_MS).optional(),
  DEPOT_UPSTREAM_TOKEN_FILE: z.string().optional(),
  DEPOT_UPSTREAM_PROXY: z
    .url({ protocol: /^http$/, error: 'must be the URL of an HTTP proxy, such as http://proxy.example:3128' })
    .optional(),
  DEPOT_UPSTREAM_CA: z.string().optional(),
  DEPOT_MIRROR: list.optional(),
  DEPOT_MIRROR_VIEWS: list.optional(),
  DEPOT_MIRROR_TARGETS: targets.optional(),
  DEPOT_MIRROR_NEWEST: count(1, MAX_NEWEST).optional(),
  DEPOT_MIRROR_EVERY: period(MIN_REFRESH_MS).optional(),
  DEPOT_MIRROR_RATE: size(0)
    .refine((bytes) => bytes === 0 || bytes >= MIN_RATE, `must be 0, or at least ${formatSize(MIN_RATE)}`)
    .optional(),
  DEPOT_MIRROR_PARALLEL: count(1, MAX_PARALLEL).optional(),
}

type UpstreamVariables = z.infer<z.ZodObject<typeof UPSTREAM_VARIABLES>>

/**
 * Reads the settings of upstream. Returns `undefined` if the depot has no upstream. `resolve` makes paths
 * absolute. A mirror fetches for `depotTargets`, unless a setting names other targets. Throws
 * `invalid_request`.
 */
export function upstreamConfig(
  env: UpstreamVariables,
  depotTargets: readonly Target[],
  resolve: (path: string) => string,
): UpstreamConfig | undefined {
  if (env.DEPOT_UPSTREAM === undefined) {
    expectNoneSet(env)
    return undefined
  }
  return {
    url: env.DEPOT_UPSTREAM,
    origins: [...new Set(env.DEPOT_UPSTREAM_ORIGINS)],
    channels: [...new Set(env.DEPOT_UPSTREAM_CHANNELS ?? [STABLE])],
    refreshMs: env.DEPOT_UPSTREAM_REFRESH ?? DEFAULT_REFRESH_MS,
    mirror: mirrorConfig(env, depotTargets),
    tokenFile: env.DEPOT_UPSTREAM_TOKEN_FILE && resolve(env.DEPOT_UPSTREAM_TOKEN_FILE),
    proxy: env.DEPOT_UPSTREAM_PROXY,
    caFile: env.DEPOT_UPSTREAM_CA && resolve(env.DEPOT_UPSTREAM_CA),
  }
}

/** Returns what to mirror, if anything. Throws `invalid_request` for a channel that is not refreshed. */
function mirrorConfig(env: UpstreamVariables, depotTargets: readonly Target[]): MirrorConfig | undefined {
  const { DEPOT_MIRROR: names = [], DEPOT_MIRROR_VIEWS: views = [] } = env
  if (names.length + views.length === 0) return undefined
  const mirrored = names.map((name) => {
    const [origin = '', channel = '', ...rest] = name.split('/')
    const isRefreshed =
      rest.length === 0 &&
      env.DEPOT_UPSTREAM_ORIGINS?.includes(origin) === true &&
      (env.DEPOT_UPSTREAM_CHANNELS ?? [STABLE]).includes(channel)
    if (isRefreshed) return { origin, channel }
    throw new DepotError(
      'invalid_request',
      `DEPOT_MIRROR names ${JSON.stringify(name)}, which is not a channel, such as core/stable, of DEPOT_UPSTREAM_ORIGINS and DEPOT_UPSTREAM_CHANNELS`,
    )
  })
  return {
    channels: mirrored,
    views,
    targets: env.DEPOT_MIRROR_TARGETS ?? depotTargets,
    newest: env.DEPOT_MIRROR_NEWEST ?? 1,
    everyMs: env.DEPOT_MIRROR_EVERY ?? DEFAULT_MIRROR_MS,
    bytesPerS: env.DEPOT_MIRROR_RATE ?? 0,
    parallel: env.DEPOT_MIRROR_PARALLEL ?? 2,
  }
}

/** Throws `invalid_request` if a setting of upstream is set. */
function expectNoneSet(env: Readonly<Record<string, unknown>>): void {
  for (const name of Object.keys(UPSTREAM_VARIABLES))
    if (env[name] !== undefined)
      throw new DepotError('invalid_request', `${name} is set, but DEPOT_UPSTREAM is not`)
}

/** Reports whether a URL has no user, password, query or fragment, in which a secret could be. */
function hasNoSecret(text: string): boolean {
  const url = URL.parse(text)
  return url === null || url.username + url.password + url.search + url.hash === ''
}

/** Reports whether upstream may be asked about an origin. It must also be marked as an upstream origin. */
export function isListed(
  { upstream }: { readonly upstream: UpstreamConfig | undefined },
  origin: string,
): boolean {
  return upstream?.origins.includes(origin) === true
}
