import type { LedgerTable } from '../database/tables/depot.ts'
import { link } from '../ledger/chain.ts'
import type { LedgerHead } from '../ledger/chain.ts'
import type { LedgerEvent } from '../ledger/entry.ts'
import { VIEW_EVENTS } from './rebuild.ts'
import { originOf } from '../package/ident.ts'

/** A row of the ledger, with the names of the rows that it refers to. */
export interface EntryRow extends Readonly<LedgerTable> {
  readonly view: string | null
  readonly origin: string | null
  readonly release: string | null
  readonly release_target: string | null
}

export interface AuditedEntry {
  /** Sentences about the entry. */
  readonly faults: readonly string[]
  /** `undefined` if the text is not a valid ledger entry. */
  readonly event: LedgerEvent | undefined
  /**
   * The head that the next entry must follow. It has this entry's stored values, right or wrong, so that each
   * fault is reported only once.
   */
  readonly head: LedgerHead
}

/**
 * Checks that an entry follows the previous one, that its hashes are right, and that its columns agree with
 * its text.
 */
export function auditEntry(row: EntryRow, previous: LedgerHead): AuditedEntry {
  const faults: string[] = []
  const expected = link(previous, row.text, row.salt)
  const next = previous.sequence + 1
  if (row.sequence !== next)
    faults.push(
      row.sequence - 1 === next
        ? `entry ${next} is missing`
        : `entries ${next} to ${row.sequence - 1} are missing`,
    )
  if (row.at < previous.at) faults.push('it is earlier than the previous entry')
  if (row.digest !== expected.digest)
    faults.push('its digest does not match its salt and text: one of the three was changed')
  else if (row.sequence === next && row.hash !== expected.hash)
    faults.push('its hash does not follow from its digest and the previous hash')
  const event = findEntryIn(row.text)
  if (event === undefined) faults.push('its text is not a ledger entry')
  else faults.push(...wrongColumns(row, event))
  return { faults, event, head: { sequence: row.sequence, hash: row.hash, at: row.at } }
}

/**
 * The fields of an entry that are not part of its event, and the fields that only some kinds of events have.
 */
interface EntryFields {
  readonly at: number
  readonly clock?: number
  readonly actor: { readonly accountId?: number }
  readonly view?: string
  readonly origin?: string
  readonly package?: string
  readonly ident?: string
  readonly project?: string
}

type Entry = LedgerEvent & EntryFields

/** Returns a sentence for each column that differs from the text of the entry. */
function wrongColumns(row: EntryRow, entry: Entry): string[] {
  const isOfView = (VIEW_EVENTS as readonly string[]).includes(entry.kind)
  const name = entry.ident ?? entry.package ?? entry.project
  const origin = entry.origin ?? (name === undefined ? undefined : originOf(name))
  const releases = entry.kind === 'promotion' ? [...entry.joined, ...entry.left] : []
  const agrees: Readonly<Record<string, boolean>> = {
    at: row.at === entry.at,
    clock: row.clock === (entry.clock ?? null),
    kind: row.kind === entry.kind,
    account_id: row.account_id === (entry.actor.accountId ?? null),
    revision: row.revision === (entry.kind === 'promotion' ? entry.revision : null),
    view_id: row.view_id === null ? !isOfView : row.view === entry.view,
    origin_id: row.origin_id === null || row.origin === origin,
    release_id:
      row.release_id === null ||
      releases.some(({ ident, target }) => ident === row.release && target === row.release_target),
  }
  return Object.entries(agrees)
    .filter(([, right]) => !right)
    .map(([column]) => `its column ${column} differs from its text`)
}

/** Parses the text of an entry, which may be anything; `undefined` if it is not valid. */
function findEntryIn(text: string): Entry | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    return isEntry(parsed) ? parsed : undefined
  } catch {
    return undefined
  }
}

function isEntry(value: unknown): value is Entry {
  if (!hasFields(value, { at: 'number', kind: 'string', actor: 'object' }) || value['actor'] === null)
    return false
  const kind = String(value['kind'])
  if (kind === 'promotion') return isPromotion(value)
  return hasFields(value, TEXTS_OF_CHANGES[kind] ?? {})
}

/** The fields that the entries about changes need before they can be rebuilt. */
const TEXTS_OF_CHANGES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'change-recorded': { record: 'string', project: 'string', change: 'string', commit: 'string' },
  'change-release-added': { record: 'string', ident: 'string', target: 'string', checksum: 'string' },
  'phase-reported': { record: 'string', phase: 'string', status: 'string' },
}

function isPromotion(value: Readonly<Record<string, unknown>>): boolean {
  if (!hasFields(value, { view: 'string', revision: 'number' })) return false
  return (
    isArrayOf(value['joined'], isReleaseName) &&
    isArrayOf(value['left'], isReleaseName) &&
    isArrayOf(value['pointers'], isPointerMove)
  )
}

function isReleaseName(value: unknown): boolean {
  return (
    hasFields(value, { ident: 'string', target: 'string' }) &&
    /^[^/]+(\/[^/]+){3}$/.test(String(value['ident']))
  )
}

function isPointerMove(value: unknown): boolean {
  return (
    hasFields(value, { package: 'string', target: 'string' }) &&
    [value['from'], value['to']].every((end) => end === null || typeof end === 'string')
  )
}

function isArrayOf(values: unknown, isValid: (value: unknown) => boolean): boolean {
  return Array.isArray(values) && values.every(isValid)
}

function hasFields(
  value: unknown,
  types: Readonly<Record<string, string>>,
): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(types).every(
    ([name, type]) => typeof (value as Record<string, unknown>)[name] === type,
  )
}
