import { availableParallelism } from 'node:os'
import { join, resolve as absolute } from 'node:path'
import { z } from 'zod'
import type { AnonymousReading } from '../access/anonymous-reading.ts'
import { databaseUrlFault, postgresUrlFault, readDatabaseLocation } from './database.ts'
import type { DatabaseLocation } from './database.ts'
import { DepotError } from '../errors.ts'
import { givenPath } from '../given-path.ts'
import type { Target } from '../package/target.ts'
import { isProxyList } from '../text/address-ranges.ts'
import { shapeFault } from '../text/shape-fault.ts'
import { readTraceSettings } from '../tracing/trace-settings.ts'
import type { ReadTraceSettings } from '../tracing/trace-settings.ts'
import { AdminToken, SecretKeys } from './secrets.ts'
import {
  accountNames,
  anonymousReading,
  choice,
  faultless,
  networks,
  size,
  targets,
} from './setting-values.ts'
import { SINGLE_SIGN_ON_VARIABLES, singleSignOnConfig } from './single-sign-on-config.ts'
import type { SingleSignOnConfig } from './single-sign-on-config.ts'
import { STORAGE_VARIABLES, storageConfig } from './storage-config.ts'
import type { StorageConfig } from './storage-config.ts'
import { UPSTREAM_VARIABLES, upstreamConfig } from './upstream-config.ts'
import type { UpstreamConfig } from './upstream-config.ts'
import { settingsIn } from './variables.ts'

/** The configuration of a depot. Sizes are in bytes, paths are absolute. */
export interface Config extends StorageConfig {
  readonly host: string
  readonly port: number
  readonly dataFolder: string
  readonly database: DatabaseLocation
  /** Whether a change is acknowledged once all nodes show it, or once it is committed. */
  readonly waitsForAllNodes: boolean
  /** Whether a node that cannot reach the others answers from memory, which may be old. */
  readonly answersStale: boolean
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

const DEFAULT_DATA = './data'
const MAX_PORT = 65_535
const MAX_WORKERS = 64
const MAX_QUARANTINE_DAYS = 365
const DAY_MS = 24 * 60 * 60_000
const BUILDERS_TARGETS = 'x86_64-linux,x86_64-linux-kernel2,x86_64-windows,aarch64-linux,aarch64-darwin'
const MIN_UPLOAD_BYTES = 1024

const Environment = z.object({
  DEPOT_LISTEN: z
    .string()
    .regex(/^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):\d{1,5}$/, 'must be HOST:PORT, for example 127.0.0.1:9636')
    .refine((text) => Number(/\d+$/.exec(text)?.[0]) <= MAX_PORT, `has a port above ${MAX_PORT}`)
    .default('127.0.0.1:9636'),
  DEPOT_DATA: z.string().optional(),
  DEPOT_DATABASE_URL: faultless(databaseUrlFault).optional(),
  DEPOT_DATABASE_URL_FILE: z.string().optional(),
  DEPOT_DATABASE_LISTEN_URL: faultless(postgresUrlFault).optional(),
  DEPOT_ACK: choice(['all', 'one']).default('all'),
  DEPOT_STALE: choice(['refuse', 'serve']).default('refuse'),
  ...STORAGE_VARIABLES,
  DEPOT_ADMIN_TOKEN: AdminToken.optional(),
  DEPOT_ADMIN_TOKEN_FILE: z.string().optional(),
  DEPOT_SECRET_KEY: SecretKeys.optional(),
  DEPOT_SECRET_KEY_FILE: z.string().optional(),
  DEPOT_SIGNATURES: choice(['require', 'verify']).default('require'),
  DEPOT_ANONYMOUS: anonymousReading.default(() => ({ isAllowed: true, exceptions: [] })),
  DEPOT_ORIGIN_CREATORS: accountNames.optional(),
  DEPOT_TARGETS: targets.default(() => BUILDERS_TARGETS.split(',') as Target[]),
  DEPOT_MAX_UPLOAD: size(MIN_UPLOAD_BYTES).default(16 * 1024 ** 3),
  DEPOT_DISK_RESERVE: size(0).optional(),
  DEPOT_SCRUB_RATE: size(0).default(8 * 1024 ** 2),
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
  ...UPSTREAM_VARIABLES,
  DEPOT_WEBHOOK_NETWORKS: networks,
  DEPOT_ISSUER_NETWORKS: networks,
  ...SINGLE_SIGN_ON_VARIABLES,
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

/** All variables that the depot reads. */
export const VARIABLES: readonly string[] = Object.keys(Environment.shape)

/**
 * Parses the settings. An empty variable counts as unset, and the variables that Kubernetes sets for a
 * Service called `depot` are ignored. {@link givenPath} resolves relative paths. Throws `invalid_request`
 * with every variable that is wrong, or that starts with `DEPOT_` and is unknown.
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>> = process.env): Config {
  const parsed = Environment.safeParse(settingsIn(environment, VARIABLES), { error: shapeFault })
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
  const dataFolder = env.DEPOT_DATA === undefined ? absolute(DEFAULT_DATA) : resolve(env.DEPOT_DATA)
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(env.DEPOT_LISTEN) ?? []
  return {
    host: host.replace(/^\[|\]$/g, ''),
    port: Number(port),
    dataFolder,
    database: readDatabaseLocation(env, join(dataFolder, 'depot.sqlite'), resolve),
    waitsForAllNodes: env.DEPOT_ACK === 'all',
    answersStale: env.DEPOT_STALE === 'serve',
    ...storageConfig(env, { dataFolder, environment, resolve }),
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
    upstream: upstreamConfig(env, env.DEPOT_TARGETS, resolve),
    webhookNetworks: env.DEPOT_WEBHOOK_NETWORKS,
    issuerNetworks: env.DEPOT_ISSUER_NETWORKS,
    singleSignOn: singleSignOnConfig(env, resolve),
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

/** Reports whether a URL has nothing after the depot's own path: no API, token, query or fragment. */
function isDepotUrl(text: string): boolean {
  const url = URL.parse(text)
  if (url === null) return true // reported by z.url
  const { pathname, username, password, search, hash } = url
  return username + password + search + hash === '' && !/^\/(v1|api)(\/|$)|\/v1\/?$|\/\//.test(pathname)
}
