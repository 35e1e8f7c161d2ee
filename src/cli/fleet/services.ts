import { parseDepotUrl } from '../../client/depot-url.ts'
import { parseIdent } from '../../package/ident.ts'

/** A service of a Supervisor. A value that the Supervisor does not tell is `null`, and never 0. */
export interface Service {
  readonly group: string
  /** The release that runs, or that would run if its process were up. */
  readonly ident: string
  /** The version of the Supervisor. */
  readonly supervisor: string | null
  readonly is_up: boolean
  /** When the process came up or went down, in RFC 3339. */
  readonly since: string | null
  readonly health: 'ok' | 'warning' | 'critical' | 'unknown'
  readonly restarts: number | null
  readonly strategy: 'none' | 'at-once' | 'rolling' | null
  readonly condition: 'latest' | 'track-channel' | null
  /** Without its user, password and query, because these may contain secrets. */
  readonly depot_url: string | null
  readonly channel: string | null
  /** The view that `depot_url` names, or else the channel. */
  readonly view: string | null
}

/**
 * Parses the answer of a Supervisor to `GET /services`. Fields that this version of the Supervisor does not
 * send are `null`. Throws an Error if the text is no such answer.
 */
export function parseServices(text: string): Service[] {
  let found: unknown
  try {
    found = JSON.parse(text)
  } catch {
    throw new Error('its answer is not JSON, so it is no Supervisor')
  }
  if (!Array.isArray(found)) throw new Error('its answer is no list of services, so it is no Supervisor')
  return found.map(serviceOf)
}

const HEALTH = ['ok', 'warning', 'critical'] as const
const STRATEGIES = ['none', 'at-once', 'rolling'] as const
const CONDITIONS = ['latest', 'track-channel'] as const

function serviceOf(found: unknown): Service {
  const group = textIn(found, 'service_group')
  const ident = textIn(found, 'pkg', 'ident')
  if (group === null || ident === null || !isIdent(ident))
    throw new Error('its services have no group or no package, so it is no Supervisor')
  const depotUrl = withoutSecrets(textIn(found, 'bldr_url'))
  const channel = textIn(found, 'channel')
  return {
    group,
    ident,
    supervisor: textIn(found, 'sys', 'version'),
    is_up: textIn(found, 'process', 'state')?.toLowerCase() === 'up',
    since: timeOf(valueIn(found, 'process', 'state_entered')),
    health: oneOf(HEALTH, textIn(found, 'health_check')) ?? 'unknown',
    restarts: countOf(valueIn(found, 'restart_count')),
    strategy: oneOf(STRATEGIES, textIn(found, 'update_strategy')),
    condition: oneOf(CONDITIONS, textIn(found, 'update_condition')),
    depot_url: depotUrl,
    channel,
    view: viewIn(depotUrl) ?? channel,
  }
}

function isIdent(text: string): boolean {
  try {
    parseIdent(text)
    return true
  } catch {
    return false
  }
}

function valueIn(found: unknown, ...path: readonly string[]): unknown {
  let value = found
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value
}

/** Longer texts count as unknown. */
const MAX_TEXT = 1_000

function textIn(found: unknown, ...path: readonly string[]): string | null {
  const value = valueIn(found, ...path)
  return typeof value === 'string' && value.length <= MAX_TEXT ? value : null
}

function oneOf<Known extends string>(known: readonly Known[], text: string | null): Known | null {
  const lower = text?.toLowerCase()
  return known.find((one) => one === lower) ?? null
}

function countOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null
}

const MAX_SECONDS = 8_640_000_000_000 // the last second of a Date

function timeOf(seconds: unknown): string | null {
  const count = countOf(seconds)
  return count === null || count > MAX_SECONDS
    ? null
    : new Date(count * 1_000).toISOString().replace('.000Z', 'Z')
}

function withoutSecrets(url: string | null): string | null {
  if (url === null || !URL.canParse(url)) return null
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname}`.replace(/\/+$/, '')
}

function viewIn(url: string | null): string | undefined {
  if (url === null) return undefined
  try {
    return parseDepotUrl(url).view
  } catch {
    return undefined
  }
}
