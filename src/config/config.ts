import { availableParallelism } from 'node:os'
import { join, resolve as absolute } from 'node:path'
import { z } from 'zod'
import { ACCOUNT_NAME } from '../access/account-name.ts'
import type { AnonymousReading } from '../access/anonymous-reading.ts'
import { DepotError } from '../errors.ts'
import { givenPath } from '../given-path.ts'
import { didYouMean } from '../text/nearest.ts'
import { parsePeriod } from '../text/period.ts'
import { STABLE, UNSTABLE, isViewName } from '../views/view.ts'
import { shapeFault } from '../text/shape-fault.ts'
import { formatSize, parseSize } from '../text/size.ts'
import { isOriginName } from '../package/ident.ts'
import { TARGETS } from '../package/target.ts'
import type { Target } from '../package/target.ts'
import { isNetwork, isSecure, isProxyList } from '../text/address-ranges.ts'
import { readTraceSettings } from '../tracing/trace-settings.ts'
import type { ReadTraceSettings } from '../tracing/trace-settings.ts'

/** The configuration of a depot. Sizes are in bytes, paths are absolute. */
export interface Config {
  readonly host: string
  readonly port: number
  readonly dataFolder: string
  readonly databaseFile: string
  readonly blobFolder: string
  /** The first administrator's token. If absent, the first start generates one and shows it. */
  readonly adminToken: string | undefined
  /** A file that holds the first administrator's token. */
  readonly adminTokenFile: string | undefined
  /**
   * The keys of stored secrets, 32 bytes each. The first one encrypts. If absent, the file `secret.key` is
   * read or created.
   */
  readonly secretKeys: readonly Buffer[] | undefined
  /** A file that holds the keys of stored secrets, each as 64 hex characters. */
  readonly secretKeyFile: string | undefined
  /** `require` refuses packages of unknown signers; `verify` accepts and marks them. */
  readonly signatures: 'require' | 'verify'
  /** What callers without a token may read. */
  readonly anonymous: AnonymousReading
  /** Accounts that may create origins. If absent, every signed-in account may. */
  readonly originCreators: readonly string[] | undefined
  readonly targets: readonly Target[]
  readonly maxUploadBytes: number
  /** The space that uploads leave free on each disk. If absent, the smaller of 1 % and 256 MiB. */
  readonly diskReserveBytes: number | undefined
  /** The rate at which packages are read again to find damage, in bytes per second; 0 disables it. */
  readonly scrubBytesPerS: number
  /** How long the bytes of releases stay after retention has removed these. */
  readonly quarantineMs: number
  readonly trustProxy: boolean | string
  /** The URL at which clients reach the depot, without a slash at its end. */
  readonly publicUrl: string | undefined
  /** Networks that webhooks may reach, in addition to public ones. */
  readonly webhookNetworks: readonly string[] | 'any'
  /** The depot from which missing releases are fetched. */
  readonly upstream: UpstreamConfig | undefined
  /** The service in which people sign in. */
  readonly singleSignOn: SingleSignOnConfig | undefined
  /** Networks in which issuers of ID tokens may be, in addition to public ones. */
  readonly issuerNetworks: readonly string[] | 'any'
  /** Threads that answer requests, all on one port. */
  readonly workers: number
  /** Whether distinct pollers are counted, in estimates. */
  readonly countsPollers: boolean
  /** Whether polls are answered directly from the socket. */
  readonly hasFastPath: boolean
  readonly logLevel: string
  /** OpenTelemetry's settings. */
  readonly traces: ReadTraceSettings
}

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

export interface SingleSignOnConfig {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecretFile: string | undefined
  /** Separated by spaces. */
  readonly scopes: string
  /** The claim that lists the groups of a person. */
  readonly groupsClaim: string
  /** Whether a person without an account gets one. */
  readonly makesAccounts: boolean
}

const DEFAULT_DATA = './data'
const DEFAULT_MIRROR_MS = 24 * 60 * 60_000
const MAX_NEWEST = 100
const MAX_PARALLEL = 4
/** A slower download would look like a stalled one. */
const MIN_RATE = 64 * 1024
const MIN_REFRESH_MS = 60_000
const DEFAULT_REFRESH_MS = 15 * 60_000
const MAX_PORT = 65_535
const MAX_WORKERS = 64
const MAX_QUARANTINE_DAYS = 365
const DAY_MS = 24 * 60 * 60_000
const BUILDERS_TARGETS = 'x86_64-linux,x86_64-linux-kernel2,x86_64-windows,aarch64-linux,aarch64-darwin'

const MIN_UPLOAD_BYTES = 1024
const MAX_BYTES = 1024 ** 5
/**
 * The variables that Kubernetes sets in each container for a Service called `depot` or `depot-…`
 * (kubernetes.io/docs/concepts/services-networking/service, environment variables): name and value have one
 * of these forms.
 */
const KUBERNETES_VARIABLES: readonly (readonly [name: RegExp, value: RegExp])[] = [
  [/^DEPOT(_[A-Z0-9_]+)?_SERVICE_HOST$/, /^[0-9a-fA-F.:]+$/],
  [/^DEPOT(_[A-Z0-9_]+)?_SERVICE_PORT(_[A-Z0-9_]+)?$/, /^\d+$/],
  [/^DEPOT(_[A-Z0-9_]+)?_PORT(_\d+_(TCP|UDP|SCTP))?$/, /^(tcp|udp|sctp):\/\/\S+:\d+$/],
  [/^DEPOT(_[A-Z0-9_]+)?_PORT_\d+_(TCP|UDP|SCTP)_PROTO$/, /^(tcp|udp|sctp)$/],
  [/^DEPOT(_[A-Z0-9_]+)?_PORT_\d+_(TCP|UDP|SCTP)_PORT$/, /^\d+$/],
  [/^DEPOT(_[A-Z0-9_]+)?_PORT_\d+_(TCP|UDP|SCTP)_ADDR$/, /^[0-9a-fA-F.:]+$/],
]

const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
)

const accounts = list.pipe(
  z
    .array(
      z.string().regex(ACCOUNT_NAME, {
        error: ({ input }) => `names ${JSON.stringify(input)}, which is not an account name`,
      }),
    )
    .min(1, 'names no account'),
)
const origins = list.pipe(
  z
    .array(
      z.string().refine(isOriginName, {
        error: ({ input }) => `names ${JSON.stringify(input)}, which is not an origin's name`,
      }),
    )
    .min(1, 'names no origin'),
)
/** Channels that can be refreshed. `unstable` holds what is here, so it cannot. */
const channels = list.pipe(
  z
    .array(
      z.string().refine((name) => isViewName(name) && name !== UNSTABLE, {
        error: ({ input }) =>
          input === UNSTABLE
            ? `names ${UNSTABLE}, which holds the releases that are here`
            : `names ${JSON.stringify(input)}, which is not a channel's name`,
      }),
    )
    .min(1, 'names no channel'),
)
const networks = list
  .refine(
    (items) => items.join() === 'any' || items.every(isNetwork),
    'must be any, or networks, for example 10.0.0.0/8,fd00::/8',
  )
  .transform((items) => (items.join() === 'any' ? 'any' : items))
  .default([])
const targets = list.pipe(
  z
    .array(
      z.enum(TARGETS, {
        error: ({ input }) =>
          `names ${JSON.stringify(input)}, which is not a target${didYouMean(String(input), TARGETS) || `; targets are ${TARGETS.join(', ')}`}`,
      }),
    )
    .min(1, 'names no target'),
)

/** Accepts a value from a fixed list. */
function choice<const Words extends readonly string[]>(words: Words) {
  return z.enum(words, {
    error: ({ input }) =>
      `must be ${words.slice(0, -1).join(', ')} or ${words.at(-1)}${didYouMean(String(input), words)}`,
  })
}

/** Parses a size such as `512MiB` to bytes. */
function size(min: number, max: number) {
  const range = `must be a size from ${formatSize(min)} to ${formatSize(max)}, such as 512MiB`
  return z.string().transform((text, context) => {
    const bytes = parseSize(text)
    if (bytes !== undefined && bytes >= min && bytes <= max) return bytes
    const [, amount, letter] = /^(\d+)\s*([kmgtp])(?:i?b)?$/i.exec(text) ?? []
    const meant =
      letter === undefined || bytes !== undefined ? '' : `; did you mean ${amount}${letter.toUpperCase()}iB?`
    context.addIssue({ code: 'custom', message: `${range}${meant}` })
    return z.NEVER
  })
}

const ANONYMOUS_FORM =
  'must be read or none, perhaps followed by origins to which the opposite applies, for example none,core=read'

/** Parses `read`, `none` or, for example, `none,core=read,chef=read`. */
const anonymous = list.transform((items, context): AnonymousReading => {
  const [first, ...others] = items
  const pairs = others.map((item) => item.split('='))
  const isWrong =
    (first !== 'read' && first !== 'none') ||
    pairs.some(
      ([origin = '', word, ...rest]) =>
        !isOriginName(origin) || word !== (first === 'read' ? 'none' : 'read') || rest.length > 0,
    )
  const named = pairs.map(([origin = '']) => origin)
  const repeated = named.find((origin, index) => named.indexOf(origin) !== index)
  if (isWrong || repeated !== undefined) {
    context.addIssue({
      code: 'custom',
      message: isWrong ? ANONYMOUS_FORM : `names ${JSON.stringify(repeated)} twice`,
    })
    return z.NEVER
  }
  return { isAllowed: first === 'read', exceptions: named }
})

/** Parses a period such as `15m` to milliseconds. */
function period(minMs: number) {
  return z.string().transform((text, context) => {
    const ms = parsePeriod(text)
    if (ms !== undefined && (ms === 0 || ms >= minMs)) return ms
    context.addIssue({
      code: 'custom',
      message: `must be 0 or a period of at least ${minMs / 1_000}s, such as 30m or 6h`,
    })
    return z.NEVER
  })
}

/** Parses a whole number in a range. */
function count(min: number, max: number) {
  return z
    .string()
    .refine(
      (text) => /^\d{1,9}$/.test(text) && Number(text) >= min && Number(text) <= max,
      `must be a number from ${min} to ${max}`,
    )
    .transform(Number)
}

const AdminToken = z
  .string()
  .regex(/^[!-~]{32,}$/, 'must have at least 32 visible ASCII characters and no spaces')
const MAX_SECRET_KEYS = 16
const SecretKeys = z
  .string()
  .regex(/^[0-9a-fA-F]{64}([\s,]+[0-9a-fA-F]{64})*$/, 'must be 64 hex characters for each key')
  .transform((text) => text.split(/[\s,]+/).map((key) => Buffer.from(key, 'hex')))
  .refine((keys) => keys.length <= MAX_SECRET_KEYS, `must have at most ${MAX_SECRET_KEYS} keys`)

const Environment = z.object({
  DEPOT_LISTEN: z
    .string()
    .regex(/^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):\d{1,5}$/, 'must be HOST:PORT, for example 127.0.0.1:9636')
    .refine((text) => Number(/\d+$/.exec(text)?.[0]) <= MAX_PORT, `has a port above ${MAX_PORT}`)
    .default('127.0.0.1:9636'),
  DEPOT_DATA: z.string().optional(),
  DEPOT_DATABASE_URL: z
    .string()
    .regex(/^sqlite:./, 'must be sqlite:FILE')
    .optional(),
  DEPOT_BLOBS: z.string().regex(/^fs:./, 'must be fs:FOLDER').optional(),
  DEPOT_ADMIN_TOKEN: AdminToken.optional(),
  DEPOT_ADMIN_TOKEN_FILE: z.string().optional(),
  DEPOT_SECRET_KEY: SecretKeys.optional(),
  DEPOT_SECRET_KEY_FILE: z.string().optional(),
  DEPOT_SIGNATURES: choice(['require', 'verify']).default('require'),
  DEPOT_ANONYMOUS: anonymous.default(() => ({ isAllowed: true, exceptions: [] })),
  DEPOT_ORIGIN_CREATORS: accounts.optional(),
  DEPOT_TARGETS: targets.default(() => BUILDERS_TARGETS.split(',') as Target[]),
  DEPOT_MAX_UPLOAD: size(MIN_UPLOAD_BYTES, MAX_BYTES).default(16 * 1024 ** 3),
  DEPOT_DISK_RESERVE: size(0, MAX_BYTES).optional(),
  DEPOT_SCRUB_RATE: size(0, MAX_BYTES).default(8 * 1024 ** 2),
  DEPOT_QUARANTINE_DAYS: z
    .string()
    .refine(
      (text) => /^\d{1,3}$/.test(text) && Number(text) <= MAX_QUARANTINE_DAYS,
      `must be a number of days from 0 to ${MAX_QUARANTINE_DAYS}`,
    )
    .default('7')
    .transform(Number),
  DEPOT_TRUST_PROXY: z
    .string()
    .refine(
      isProxyList,
      'must be on, off, or addresses and networks of proxies, for example 10.0.0.1,192.168.0.0/16',
    )
    .default('off'),
  DEPOT_PUBLIC_URL: z
    .url({ protocol: /^https?$/, error: 'must be a URL, such as https://depot.example' })
    .refine(
      isDepotUrl,
      'must be the URL of the depot itself, for example https://depot.example or https://example.com/depot, without /v1 or /api, a token, or anything after ? or #',
    )
    .optional(),
  DEPOT_UPSTREAM: z
    .url({ protocol: /^https?$/, error: 'must be a URL, such as https://bldr.habitat.sh' })
    .refine(hasNoSecret, 'must have no token in it: use DEPOT_UPSTREAM_TOKEN_FILE')
    .optional(),
  DEPOT_UPSTREAM_ORIGINS: origins.optional(),
  DEPOT_UPSTREAM_CHANNELS: channels.optional(),
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
  DEPOT_MIRROR_RATE: size(0, MAX_BYTES)
    .refine((bytes) => bytes === 0 || bytes >= MIN_RATE, `must be 0, or at least ${formatSize(MIN_RATE)}`)
    .optional(),
  DEPOT_MIRROR_PARALLEL: count(1, MAX_PARALLEL).optional(),
  DEPOT_WEBHOOK_NETWORKS: networks,
  DEPOT_ISSUER_NETWORKS: networks,
  DEPOT_OIDC_ISSUER: z
    .url({ protocol: /^https?$/, error: 'must be a URL, such as https://login.example' })
    .refine(isSecureUrl, 'must be https')
    .optional(),
  DEPOT_OIDC_CLIENT_ID: z.string().optional(),
  DEPOT_OIDC_CLIENT_SECRET_FILE: z.string().optional(),
  DEPOT_OIDC_SCOPES: z
    .string()
    .regex(/\bopenid\b/, 'must contain openid')
    .default('openid profile'),
  DEPOT_OIDC_GROUPS_CLAIM: z.string().default('groups'),
  DEPOT_OIDC_NEW_ACCOUNTS: choice(['on', 'off']).default('off'),
  DEPOT_WORKERS: z
    .string()
    .refine(
      (text) =>
        text === 'auto' || (/^\d{1,2}$/.test(text) && Number(text) >= 1 && Number(text) <= MAX_WORKERS),
      `must be a number from 1 to ${MAX_WORKERS}, or auto`,
    )
    .default('1'),
  DEPOT_COUNT_POLLERS: choice(['on', 'off']).default('off'),
  DEPOT_FAST_PATH: choice(['on', 'off']).default('on'),
  DEPOT_LOG_LEVEL: choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
})

/** Settings that have a meaning only together with `DEPOT_UPSTREAM`. */
const UPSTREAM_DETAILS = [
  'DEPOT_UPSTREAM_ORIGINS',
  'DEPOT_UPSTREAM_CHANNELS',
  'DEPOT_UPSTREAM_REFRESH',
  'DEPOT_UPSTREAM_TOKEN_FILE',
  'DEPOT_UPSTREAM_PROXY',
  'DEPOT_UPSTREAM_CA',
  'DEPOT_MIRROR',
  'DEPOT_MIRROR_VIEWS',
  'DEPOT_MIRROR_TARGETS',
  'DEPOT_MIRROR_NEWEST',
  'DEPOT_MIRROR_EVERY',
  'DEPOT_MIRROR_RATE',
  'DEPOT_MIRROR_PARALLEL',
] as const

/** All variables that the depot reads. */
export const VARIABLES: readonly string[] = Object.keys(Environment.shape)

/**
 * Parses the settings. An empty variable counts as unset, and the variables that Kubernetes sets for a
 * Service called `depot` are ignored. {@link givenPath} resolves relative paths. Throws `invalid_request`
 * with every variable that is wrong, or that starts with `DEPOT_` and is unknown.
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>> = process.env): Config {
  const parsed = Environment.safeParse(readSettings(environment), { error: shapeFault })
  if (!parsed.success) {
    const wrong = parsed.error.issues.map((issue) => `${String(issue.path[0])} ${issue.message}`)
    throw new DepotError('invalid_request', wrong.join('; '))
  }
  const resolve = (path: string) => givenPath(path, environment)
  const env = parsed.data
  for (const name of ['DEPOT_ADMIN_TOKEN', 'DEPOT_SECRET_KEY'] as const) {
    if (env[name] !== undefined && env[`${name}_FILE`] !== undefined)
      throw new DepotError('invalid_request', `${name} and ${name}_FILE are both set: set only one of them`)
  }
  for (const name of UPSTREAM_DETAILS)
    if (env.DEPOT_UPSTREAM === undefined && env[name] !== undefined)
      throw new DepotError('invalid_request', `${name} is set, but DEPOT_UPSTREAM is not`)
  if ((env.DEPOT_OIDC_ISSUER === undefined) !== (env.DEPOT_OIDC_CLIENT_ID === undefined))
    throw new DepotError('invalid_request', 'set DEPOT_OIDC_ISSUER and DEPOT_OIDC_CLIENT_ID both, or neither')
  const dataFolder = env.DEPOT_DATA === undefined ? absolute(DEFAULT_DATA) : resolve(env.DEPOT_DATA)
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(env.DEPOT_LISTEN) ?? []
  return {
    host: host.replace(/^\[|\]$/g, ''),
    port: Number(port),
    dataFolder,
    databaseFile:
      env.DEPOT_DATABASE_URL === undefined
        ? join(dataFolder, 'depot.sqlite')
        : resolve(env.DEPOT_DATABASE_URL.slice('sqlite:'.length)),
    blobFolder:
      env.DEPOT_BLOBS === undefined
        ? join(dataFolder, 'blobs')
        : resolve(env.DEPOT_BLOBS.slice('fs:'.length)),
    adminToken: env.DEPOT_ADMIN_TOKEN,
    adminTokenFile:
      env.DEPOT_ADMIN_TOKEN_FILE === undefined ? undefined : resolve(env.DEPOT_ADMIN_TOKEN_FILE),
    secretKeys: env.DEPOT_SECRET_KEY,
    secretKeyFile: env.DEPOT_SECRET_KEY_FILE === undefined ? undefined : resolve(env.DEPOT_SECRET_KEY_FILE),
    signatures: env.DEPOT_SIGNATURES,
    anonymous: env.DEPOT_ANONYMOUS,
    originCreators: env.DEPOT_ORIGIN_CREATORS,
    targets: env.DEPOT_TARGETS,
    maxUploadBytes: env.DEPOT_MAX_UPLOAD,
    diskReserveBytes: env.DEPOT_DISK_RESERVE,
    scrubBytesPerS: env.DEPOT_SCRUB_RATE,
    quarantineMs: env.DEPOT_QUARANTINE_DAYS * DAY_MS,
    trustProxy:
      env.DEPOT_TRUST_PROXY === 'on' ? true : env.DEPOT_TRUST_PROXY === 'off' ? false : env.DEPOT_TRUST_PROXY,
    publicUrl: env.DEPOT_PUBLIC_URL?.replace(/\/$/, ''),
    upstream:
      env.DEPOT_UPSTREAM === undefined
        ? undefined
        : {
            url: env.DEPOT_UPSTREAM,
            origins: [...new Set(env.DEPOT_UPSTREAM_ORIGINS)],
            channels: [...new Set(env.DEPOT_UPSTREAM_CHANNELS ?? [STABLE])],
            refreshMs: env.DEPOT_UPSTREAM_REFRESH ?? DEFAULT_REFRESH_MS,
            mirror: readMirror(env),
            tokenFile: env.DEPOT_UPSTREAM_TOKEN_FILE && resolve(env.DEPOT_UPSTREAM_TOKEN_FILE),
            proxy: env.DEPOT_UPSTREAM_PROXY,
            caFile: env.DEPOT_UPSTREAM_CA && resolve(env.DEPOT_UPSTREAM_CA),
          },
    webhookNetworks: env.DEPOT_WEBHOOK_NETWORKS,
    issuerNetworks: env.DEPOT_ISSUER_NETWORKS,
    singleSignOn:
      env.DEPOT_OIDC_ISSUER === undefined || env.DEPOT_OIDC_CLIENT_ID === undefined
        ? undefined
        : {
            issuer: env.DEPOT_OIDC_ISSUER,
            clientId: env.DEPOT_OIDC_CLIENT_ID,
            clientSecretFile: env.DEPOT_OIDC_CLIENT_SECRET_FILE && resolve(env.DEPOT_OIDC_CLIENT_SECRET_FILE),
            scopes: env.DEPOT_OIDC_SCOPES,
            groupsClaim: env.DEPOT_OIDC_GROUPS_CLAIM,
            makesAccounts: env.DEPOT_OIDC_NEW_ACCOUNTS === 'on',
          },
    workers:
      env.DEPOT_WORKERS === 'auto'
        ? Math.min(availableParallelism(), MAX_WORKERS)
        : Number(env.DEPOT_WORKERS),
    countsPollers: env.DEPOT_COUNT_POLLERS === 'on',
    hasFastPath: env.DEPOT_FAST_PATH === 'on',
    logLevel: env.DEPOT_LOG_LEVEL,
    traces: readTraceSettings(environment),
  }
}

/** Returns what to mirror, if anything. Throws `invalid_request` for a channel that is not refreshed. */
function readMirror(env: z.infer<typeof Environment>): MirrorConfig | undefined {
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
    targets: env.DEPOT_MIRROR_TARGETS ?? env.DEPOT_TARGETS,
    newest: env.DEPOT_MIRROR_NEWEST ?? 1,
    everyMs: env.DEPOT_MIRROR_EVERY ?? DEFAULT_MIRROR_MS,
    bytesPerS: env.DEPOT_MIRROR_RATE ?? 0,
    parallel: env.DEPOT_MIRROR_PARALLEL ?? 2,
  }
}

/**
 * Returns the variables that are settings, without empty ones. Throws if an unknown one starts with `DEPOT_`.
 */
function readSettings(environment: Readonly<Record<string, string | undefined>>): Record<string, unknown> {
  const given = Object.entries(environment).filter(
    ([name, value]) => name.startsWith('DEPOT_') && value !== undefined && value !== '',
  )
  const settings = given.filter(
    ([name, value = '']) =>
      VARIABLES.includes(name) ||
      !KUBERNETES_VARIABLES.some(([names, values]) => names.test(name) && values.test(value)),
  )
  const unknown = settings.map(([name]) => name).filter((name) => !VARIABLES.includes(name))
  if (unknown.length === 0) return Object.fromEntries(settings)
  const sentences = unknown.map((name) => `there is no setting ${name}${didYouMean(name, VARIABLES)}`)
  const known = sentences.some((sentence) => sentence.endsWith('?'))
    ? ''
    : `; settings are ${VARIABLES.join(', ')}`
  throw new DepotError('invalid_request', `${sentences.join(' ')}${known}`)
}

function isSecureUrl(text: string): boolean {
  const url = URL.parse(text)
  return url === null || isSecure(url) // z.url reports what is no URL
}

/** Reports whether a URL has nothing after the depot's own path: no API, token, query or fragment. */
function isDepotUrl(text: string): boolean {
  const url = URL.parse(text)
  if (url === null) return true // reported by z.url
  const { pathname, username, password, search, hash } = url
  return username + password + search + hash === '' && !/^\/(v1|api)(\/|$)|\/v1\/?$|\/\//.test(pathname)
}

/** Reports whether a URL has no user, password, query or fragment, in which a secret could be. */
function hasNoSecret(text: string): boolean {
  const url = URL.parse(text)
  return url === null || url.username + url.password + url.search + url.hash === ''
}

/** Parses the contents of `DEPOT_ADMIN_TOKEN_FILE`. Throws `invalid_request`. */
export function parseAdminToken(text: string, file: string): string {
  return parseSecret(AdminToken, text, file)
}

/** Parses the contents of `DEPOT_SECRET_KEY_FILE` or `secret.key`. Throws `invalid_request`. */
export function parseSecretKeys(text: string, file: string): readonly Buffer[] {
  return parseSecret(SecretKeys, text, file)
}

function parseSecret<T>(shape: z.ZodType<T>, text: string, file: string): T {
  const parsed = shape.safeParse(text)
  if (parsed.success) return parsed.data
  throw new DepotError(
    'invalid_request',
    `the secret in ${file} ${parsed.error.issues.map(({ message }) => message).join('; ')}`,
  )
}

/** Reads the client tokens in the environment: `HAB_AUTH_TOKEN` and `HART_DEPOT_TOKEN`. */
export function readTokens(environment: Readonly<Record<string, string | undefined>> = process.env): {
  habitat: string | undefined
  hartDepot: string | undefined
} {
  return {
    habitat: environment['HAB_AUTH_TOKEN'] || undefined,
    hartDepot: environment['HART_DEPOT_TOKEN'] || undefined,
  }
}
