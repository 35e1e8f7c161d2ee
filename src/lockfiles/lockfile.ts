import { DepotError, quote, refusalOf } from '../errors.ts'
import { formatKeyName, parsePublicKey } from '../hart/origin-key.ts'
import { formatPackageName, makePackageName, parseIdent } from '../package/ident.ts'
import { parseTarget } from '../package/target.ts'
import type { Target } from '../package/target.ts'
import { parseViewName } from '../views/view.ts'

// The text of a view at a revision, readable for people, `sort` and `diff`. It does not depend on the time of
// the request: the same request for the same revision gives the same bytes, unless a release is deleted or
// hidden or a dependency is uploaded.
//
//   hart-depot-lock 1
//   depot http://depot.example          its public URL; - if none is configured
//   view delivered
//   revision 34
//   at 2026-01-05T00:00:00.000Z         when that revision was made
//   ledger 812 9c0f…                    sequence and hash of the entry that made it
//   filter origin=acme target=…         its filter: origin, name, target; - for the whole view
//   audience everyone                   everyone (all releases), public, or members (public and the reader's own)
//   skipped 0                           the number of releases left out because they were deleted since
//   absent 2                            the number of dependencies that are absent or hidden from the reader
//   origin-key acme-20260101000000 …    base64 of the key file, for each key that a release here is signed with
//   (empty)
//   acme/app/1.0.0/20260101120000 x86_64-linux 4f2a… 10240
//   acme/lib/1.0.0/20260101120000 x86_64-linux 91bd… 5120 dependency
//
// A release line is ident, target, BLAKE2b-256 and size. The answers of `latest` come first, then their
// dependencies, which are fetched and not promoted. `private` marks a release that is not public and must
// stay so elsewhere. Keys and releases are sorted bytewise. The last line (signed-lockfile.ts) signs all
// others, including the keys of origins.

/** A release that a lockfile names. */
export interface LockedRelease {
  readonly ident: string
  readonly target: Target
  /** BLAKE2b-256 of the file, 64 lower-case hex characters. */
  readonly checksum: string
  readonly sizeBytes: number
  /** Whether answers of `latest` need the release, and it is not one of them. */
  readonly isDependency: boolean
  /** Whether the release is not public in the depot that made the lockfile. */
  readonly isPrivate: boolean
}

/** A key file of an origin, with its name. */
export interface LockedKey {
  readonly name: string
  readonly text: string
}

export interface LockfileFilter {
  readonly origin?: string
  readonly name?: string
  readonly target?: Target
}

/** The content of a lockfile. The fields are those of the format above. */
export interface Lockfile {
  /** The public URL of the depot. */
  readonly depot: string | undefined
  readonly view: string
  readonly revision: number
  /** When the revision was made, in epoch milliseconds. */
  readonly at: number
  readonly ledger: { readonly sequence: number; readonly hash: string }
  readonly filter: LockfileFilter
  readonly audience: LockfileAudience
  readonly skipped: number
  readonly absent: number
  readonly originKeys: readonly LockedKey[]
  readonly releases: readonly LockedRelease[]
}

const AUDIENCES = ['everyone', 'public', 'members'] as const
export type LockfileAudience = (typeof AUDIENCES)[number]

export const MAX_LOCKED_RELEASES = 100_000
/** The maximum size with the signature. Readers hold the file in memory. */
export const MAX_LOCKFILE_BYTES = 32 * 1024 * 1024

/** Checks that a lockfile names everything in its view. Throws `invalid_request`. */
export function expectWhole({
  filter,
  audience,
  skipped,
}: Pick<Lockfile, 'filter' | 'audience' | 'skipped'>): void {
  if (Object.keys(filter).length === 0 && audience === 'everyone' && skipped === 0) return
  throw refusalOf('invalid_request', [
    {
      detail:
        'exact needs a lockfile of a whole view: this one is filtered, or leaves out hidden or deleted releases',
      pointer: '/exact',
    },
  ])
}

const FIRST_LINE = 'hart-depot-lock 1'
/** Leaves room for the header and for the keys of origins. */
const MAX_LINES = MAX_LOCKED_RELEASES + 10_000
const CHECKSUM = /^[0-9a-f]{64}$/
const NONE = '-'

/** Formats all lines except the signature. Releases may be in any order. ASCII text sorts by its bytes. */
export function formatLockfile(lockfile: Lockfile): string {
  const { depot, view, revision, at, ledger, filter, audience, skipped, absent } = lockfile
  const [dependencies, pointers] = [true, false].map((isDependency) =>
    lockfile.releases
      .filter((release) => release.isDependency === isDependency)
      .map(releaseLine)
      .toSorted(),
  )
  const lines = [
    FIRST_LINE,
    `depot ${depot ?? NONE}`,
    `view ${view}`,
    `revision ${revision}`,
    `at ${new Date(at).toISOString()}`,
    `ledger ${ledger.sequence} ${ledger.hash}`,
    `filter ${filterText(filter)}`,
    `audience ${audience}`,
    `skipped ${skipped}`,
    `absent ${absent}`,
    ...lockfile.originKeys
      .map(({ name, text }) => `origin-key ${name} ${Buffer.from(text).toString('base64')}`)
      .toSorted(),
    '',
    ...(pointers ?? []),
    ...(dependencies ?? []),
  ]
  return `${lines.join('\n')}\n`
}

/**
 * Parses all lines except the signature. Throws `lockfile_malformed` with the line number for any text that
 * {@link formatLockfile} would not write.
 */
export function parseLockfile(text: string): Lockfile {
  const lines = new Lines(text)
  if (lines.next() !== FIRST_LINE) throw lines.wrong(`a lockfile starts with ${quote(FIRST_LINE)}`)
  const head = {
    depot: lines.take('depot', parseDepotUrl),
    view: lines.take('view', parseViewName),
    revision: lines.take('revision', parseNumber),
    at: lines.take('at', parseTime),
    ledger: lines.take('ledger', parseLedger),
    filter: lines.take('filter', parseFilter),
    audience: lines.take('audience', parseAudience),
    skipped: lines.take('skipped', parseNumber),
    absent: lines.take('absent', parseNumber),
  }
  return { ...head, originKeys: parseOriginKeys(lines), releases: parseReleases(lines) }
}

function parseOriginKeys(lines: Lines): LockedKey[] {
  const keys: LockedKey[] = []
  for (let line = lines.next(); line !== ''; line = lines.next()) {
    const [, name = '', encoded = ''] = /^origin-key (\S+) (\S+)$/.exec(line) ?? []
    if (name === '')
      throw lines.wrong('an origin-key line, or the empty line before the releases, is expected')
    const text = Buffer.from(encoded, 'base64').toString('utf8')
    if (Buffer.from(text).toString('base64') !== encoded) throw lines.wrong('the key is not base64 of a text')
    const key = lines.parse(text, parsePublicKey)
    if (formatKeyName(key) !== name)
      throw lines.wrong(`the key ${quote(name)} is the key ${formatKeyName(key)}`)
    const before = keys.at(-1)?.name
    if (before !== undefined && name <= before)
      throw lines.wrong(
        `the key ${name} comes after ${before}: keys are listed once, in the order of their bytes`,
      )
    keys.push({ name, text })
  }
  return keys
}

function parseReleases(lines: Lines): LockedRelease[] {
  const releases: LockedRelease[] = []
  const named = new Set<string>()
  const pointed = new Set<string>()
  let before = { line: '', isDependency: false }
  while (!lines.isAtEnd()) {
    if (releases.length === MAX_LOCKED_RELEASES)
      throw lines.wrong(`a lockfile has at most ${MAX_LOCKED_RELEASES} releases`)
    const line = lines.next()
    const [ident = '', targetName = '', checksum = '', size = '', ...marks] = line.split(' ')
    const isDependency = marks[0] === 'dependency'
    const isPrivate = marks.at(-1) === 'private'
    if (marks.length !== Number(isDependency) + Number(isPrivate))
      throw lines.wrong(
        'a release line has an ident, target, checksum and size, and may end with "dependency" and "private"',
      )
    const packageName = formatPackageName(lines.parse(ident, parseIdent))
    const target = lines.parse(targetName, parseTarget)
    if (!CHECKSUM.test(checksum))
      throw lines.wrong(`${quote(checksum)} is not a BLAKE2b-256 of 64 lower-case hex characters`)
    const sizeBytes = lines.parse(size, parseNumber)

    if (before.isDependency && !isDependency)
      throw lines.wrong('the answers of latest come before their dependencies')
    if (before.isDependency === isDependency && line <= before.line)
      throw lines.wrong('releases are listed in the order of their bytes')
    if (!addNew(named, `${ident} ${target}`)) throw lines.wrong(`${ident} for ${target} is listed twice`)
    if (!isDependency && !addNew(pointed, `${packageName} ${target}`))
      throw lines.wrong(`latest of ${packageName} for ${target} has two answers`)
    before = { line, isDependency }
    releases.push({ ident, target, checksum, sizeBytes, isDependency, isPrivate })
  }
  return releases
}

function releaseLine({ ident, target, checksum, sizeBytes, isDependency, isPrivate }: LockedRelease): string {
  return `${ident} ${target} ${checksum} ${sizeBytes}${isDependency ? ' dependency' : ''}${isPrivate ? ' private' : ''}`
}

const FILTERS = ['origin', 'name', 'target'] as const

function filterText(filter: LockfileFilter): string {
  const narrowed = FILTERS.flatMap((name) => (filter[name] === undefined ? [] : [`${name}=${filter[name]}`]))
  return narrowed.length === 0 ? NONE : narrowed.join(' ')
}

function parseFilter(text: string): LockfileFilter {
  const [origin, name, target] = FILTERS.map((part) => new RegExp(`(?:^| )${part}=([^ ]+)`).exec(text)?.[1])
  makePackageName({ origin: origin ?? 'any', name: name ?? 'any' })
  const filter = {
    ...(origin !== undefined && { origin }),
    ...(name !== undefined && { name }),
    ...(target !== undefined && { target: parseTarget(target) }),
  }
  if (filterText(filter) !== text)
    throw malformed(
      `${quote(text)} is not a filter: origin=…, name=… and target=…, in this order, or ${NONE}`,
    )
  return filter
}

function parseDepotUrl(text: string): string | undefined {
  if (text === NONE) return undefined
  if (/^https?:\/\/[!-~]+$/.test(text)) return text
  throw malformed(`${quote(text)} is not the URL of a depot, or ${NONE}`)
}

function parseAudience(text: string): LockfileAudience {
  const audience = AUDIENCES.find((known) => known === text)
  if (audience === undefined) throw malformed(`${quote(text)} is not one of ${AUDIENCES.join(', ')}`)
  return audience
}

function parseLedger(text: string): Lockfile['ledger'] {
  const [sequence = '', hash = '', ...rest] = text.split(' ')
  if (rest.length > 0 || !CHECKSUM.test(hash))
    throw malformed(`${quote(text)} is not the sequence and the hash of a ledger entry`)
  return { sequence: parseNumber(sequence), hash }
}

function parseNumber(text: string): number {
  if (/^(0|[1-9]\d{0,14})$/.test(text)) return Number(text)
  throw malformed(`${quote(text)} is not a number`)
}

function parseTime(text: string): number {
  const at = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at) || new Date(at).toISOString() !== text)
    throw malformed(`${quote(text)} is not a time like 2026-01-01T00:00:00.000Z`)
  return at
}

/** Adds an item. Returns false if it is in the set already. */
function addNew(set: Set<string>, item: string): boolean {
  if (set.has(item)) return false
  set.add(item)
  return true
}

function malformed(why: string): DepotError {
  return new DepotError('lockfile_malformed', why)
}

/** Reads the lines of a text in order. Errors name the number of the line. */
class Lines {
  readonly #lines: readonly string[]
  #number = 0

  constructor(text: string) {
    this.#lines = text.split('\n', MAX_LINES + 1)
    if (this.#lines.length > MAX_LINES) throw malformed(`not a lockfile: it has more than ${MAX_LINES} lines`)
  }

  /** Returns the next line without its line feed, which is required. */
  next(): string {
    const line = this.#lines[this.#number]
    this.#number += 1
    if (line === undefined || this.#number >= this.#lines.length)
      throw this.wrong('the lockfile is cut off here')
    return line
  }

  isAtEnd(): boolean {
    return this.#number === this.#lines.length - 1 && this.#lines[this.#number] === ''
  }

  /** Parses the value of a header line. */
  take<T>(name: string, parse: (text: string) => T): T {
    const line = this.next()
    if (!line.startsWith(`${name} `)) throw this.wrong(`${quote(name)} is expected, not ${quote(line)}`)
    return this.parse(line.slice(name.length + 1), parse)
  }

  /** Parses a part of the last line. Its errors become those of {@link wrong}. */
  parse<T>(text: string, parse: (text: string) => T): T {
    try {
      return parse(text)
    } catch (error) {
      throw error instanceof DepotError ? this.wrong(error.message, error) : error
    }
  }

  /** Returns the error for a fault of the last line. */
  wrong(why: string, cause?: unknown): DepotError {
    return new DepotError('lockfile_malformed', `line ${this.#number} of the lockfile: ${why}`, { cause })
  }
}
