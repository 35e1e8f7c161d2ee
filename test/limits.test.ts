import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'tap'
import { VARIABLES } from '../src/config.ts'

// docs/limits.md has a row for each limit. A limit is a constant of a module whose name starts with one of the words of LIMIT, or a field
// of `Limits`. This file maps each limit to its row, or lists it as one that no client meets. The row must have the number of the source.

const SOURCE = new URL('../src/', import.meta.url)
/** Code that runs for a client or an operator, not in the depot. */
const OF_CLIENTS = /^(cli|import|pull|remote)\//
const LIMIT =
  /^(?:export )?const ((?:MOST|LONGEST|LARGEST|SHORTEST|LEAST|KEPT|USUAL)(?:_\w+)?|\w+_KEPT_MS)(?:: [^=]+)? = (.*)$/gm

/** Sizes of internal steps, which do not change any answer. */
const OF_NO_CLIENT: readonly string[] = [
  'upkeep/collect.ts MOST_SEEN',
  'blobs/file-stream.ts MOST_SPARE',
  'upkeep/scrub.ts LONGEST_YIELD_MS',
  'upkeep/scrub.ts MOST_CHECKED_FIRST',
  'database/batches.ts MOST_IN_A_STATEMENT',
  'database/sqlite/connection.ts LONGEST_KEPT_SQL',
  'database/sqlite/connection.ts MOST_STATEMENTS',
  'hart/xz.ts LONGEST_NUMBER',
  'hart/xz.ts MOST_TAIL_BLOCKS',
  'http/api/events/stream.ts LONGEST_TIMER_MS',
  'http/api/events/stream.ts MOST_IN_A_STEP',
  'http/api/events/stream.ts SHORTEST_TIMER_MS',
  'http/api/events/text.ts MOST_NAMED',
  'http/requests/chunked-body.ts MOST_DIGITS',
  'http/habitat/polls/poll-request.ts LONGEST',
  'http/requests/descriptors.ts MOST_CAUSES',
  'http/requests/limit-connections.ts LONGEST_GOODBYE_MS',
  'http/requests/limit-connections.ts MOST_REFUSED',
  'http/requests/one-at-a-time.ts MOST_TAIL',
  'http/server.ts LONGEST_GOODBYE_MS',
  'following/visible-pages.ts MOST_PAGES_SHARED',
  'lockfiles/lockfile.ts MOST_LINES', // follows from MOST_LOCKED_RELEASES
  'text/nearest.ts LONGEST_COMPARED',
  'releases/list-store.ts MOST_IN_A_LIST',
  'search/package-search.ts MOST_WORDS', // no name has more
  'revisions/diff-store.ts MOST_CHANGES',
  'revisions/diff-store.ts MOST_IN_A_PIECE',
  'revisions/seen-span-store.ts MOST_IN_A_READ',
  'delivery/delivery-log.ts LARGEST_WRITE',
  'delivery/delivery-log.ts MOST_UNWRITTEN',
  'delivery/webhook-delivery.ts LARGEST_PAGE',
  'ledger/follower.ts LARGEST_PAGE',
  'delivery/webhook-delivery.ts LARGEST_SPAN',
  'writer/writer.ts LARGEST_BATCH',
  'writer/writer.ts LONGEST_BATCH_MS',
  'writer/writer.ts LONGEST_READ_MS',
  'writer/writer.ts MOST_READ_AHEAD',
]

/** The start of the row of each limit. */
const ROWS: Readonly<Record<string, string>> = {
  'access/account-name.ts LONGEST_ACCOUNT_NAME': 'name of an account',
  'accounts/authenticate.ts MOST_SESSIONS': 'tokens whose rights are kept',
  'accounts/guess-limit.ts MOST_ADDRESSES': 'addresses whose wrong tokens',
  'accounts/token.ts LONGEST_LIFE_MS': 'life of a token',
  'accounts/token.ts LONGEST_LIFE_YEARS': 'life of a token',
  'answers/answers.ts LONGEST_ABSENT': 'remembered questions without an answer',
  'answers/answers.ts MOST_ABSENT': 'remembered questions without an answer',
  'answers/answers.ts MOST_BODY_BYTES': 'answers to polls in memory',
  'blobs/disk-space.ts MOST_RESERVE_BYTES': 'room on the disk',
  'blobs/file-stream.ts MOST_PIECES': 'read buffers of 1 MiB for downloads',
  'audit/verify-blobs.ts MOST_REPORTED': 'faults that `verify` names',
  'config.ts LEAST_UPLOAD_BYTES': 'package',
  'config.ts MOST_BYTES': 'package',
  'config.ts MOST_WORKERS': 'threads that answer requests',
  'database/sqlite/reading-threads.ts MOST_THREADS': 'reads of many rows',
  'errors.ts MOST_PARTS': 'causes of one refusal',
  'hart/archive.ts MOST_UNPACKED_BYTES': 'unpacked size of a package',
  'hart/files-list.ts LONGEST_LINE': "line of a package's list of files",
  'hart/header.ts LONGEST_HEADER': 'header of a package',
  'hart/package-paths.ts MOST_SYMLINK_NAMES_BYTES': 'total length of the names of symbolic links',
  'hart/scan.ts LONGEST_SCAN_MS': 'time to scan one package',
  'hart/scan.ts MOST_WAITING': 'packages of all accounts that wait for a scan',
  'hart/scan.ts MOST_WAITING_OF_ACCOUNT': 'packages of one account that wait for a scan',
  'hart/tar.ts LONGEST_EXTENSION': "path in a package's archive",
  'hart/tar.ts LONGEST_PATH': "path in a package's archive",
  'hart/tar.ts MOST_ENTRIES': "entries of a package's archive",
  'hart/xz.ts LARGEST_DICTIONARY': 'memory needed to unpack a package',
  'http/api/conventions/body-limits.ts USUAL_BODY_BYTES': 'JSON body below `/api/v1`',
  'http/api/conventions/body-limits.ts USUAL_JSON': 'levels, values and fields',
  'http/api/gates/shapes.ts LONGEST_PROPOSAL_SECONDS': 'life of a proposal',
  'http/api/promotions/shapes.ts LONGEST_REASON': 'reason of a change',
  'http/api/gates/shapes.ts LONGEST_SOAK_SECONDS': 'soak time',
  'http/api/gates/shapes.ts MOST_ACCOUNTS': 'accounts in one list',
  'http/api/promotions/shapes.ts MOST_NAMED': 'releases named one by one',
  'http/api/gates/shapes.ts MOST_REQUIREMENTS': 'views that the rules of a view require',
  'http/api/views/shapes.ts MOST_UNGOVERNED': 'origins that a view does not govern',
  'http/api/lockfiles/depot-keys.ts LARGEST_KEY_FILE': "file of a depot's key",
  'http/api/events/pages.ts MOST_NAMES': 'names of views, origins or kinds',
  'http/api/events/pages.ts MOST_PAGES_AT_ONCE': 'pages that one request with `wait` reads',
  'http/api/conventions/shapes.ts LONGEST_WAIT_S': 'time that a request waits for news',
  'http/api/events/stream.ts MOST_UNREAD_BYTES': 'events that are written to a stream',
  'http/api/conventions/shapes.ts MOST_IN_A_PAGE': 'items of a page below `/api/v1`',
  'http/api/conventions/shapes.ts USUAL_PAGE': 'items of a page below `/api/v1`',
  'http/habitat/views/absent-views.ts MOST_REMEMBERED': 'remembered names of views that do not exist',
  'http/habitat/conventions/body.ts LARGEST_JSON_BYTES': 'JSON body below `/v1`',
  'http/habitat/conventions/body.ts MOST_NAMED': 'faults of a body below `/v1`',
  'http/habitat/routes.ts LARGEST_FIELD_BYTES': 'fields beside the package',
  'http/habitat/packages/lists.ts MOST_AT_ONCE': 'items of a whole list of packages',
  'http/requests/descriptors.ts LEAST_CONNECTIONS': 'connections',
  'http/requests/error-reply.ts LONGEST_DETAIL': 'faults of a request',
  'http/requests/error-reply.ts LONGEST_PART': 'one fault of a request',
  'http/requests/error-reply.ts MOST_NAMED': 'faults of a request',
  'http/requests/public-path.ts LONGEST_PREFIX': 'path that a trusted proxy forwards',
  'http/server.ts LONGEST_PARAMETER': "one part of a URL's path",
  'http/stop.ts LONGEST_STOP_MS': 'time for requests to end',
  'clock.ts MOST_AHEAD_MS': 'commit times ahead of the clock',
  'following/feed.ts MOST_KEPT': 'entries in memory',
  'following/feed.ts MOST_KEPT_BYTES': 'entries in memory',
  'ledger/ledger-store.ts MOST_TEXT_AT_ONCE': 'text of the ledger that is read',
  'following/visible-pages.ts MOST_EXAMINED': 'entries that are read for one page of events',
  'following/visible-pages.ts LARGEST_SPAN': 'entries that are read for one page of events',
  'audit/verify.ts MOST_FINDINGS': 'faults that `verify` names',
  'lockfiles/depot-key-store.ts MOST_OWN_KEYS': "depot's own keys in one list",
  'lockfiles/depot-key-store.ts MOST_TRUSTED_KEYS': 'trusted depot keys',
  'lockfiles/depot-key.ts LONGEST_KEY_FILE': "file of a depot's key",
  'lockfiles/depot-key.ts LONGEST_NAME': 'name of a trusted depot key',
  'lockfiles/lockfile.ts LARGEST_LOCKFILE_BYTES': 'lockfile',
  'lockfiles/lockfile.ts MOST_LOCKED_RELEASES': 'releases in one lockfile',
  'log.ts LONGEST_STACK': 'text of one field in a line of the log',
  'log.ts LONGEST_TEXT': 'text of one field in a line of the log',
  'hart/origin-key.ts LONGEST_KEY_FILE': "file of an origin's key",
  'origins/origin-store.ts MOST_KEYS': 'keys of an origin in one list',
  'package/ident.ts LONGEST_PART': 'part of an ident',
  'depot/secret-file.ts LONGEST_BYTES': 'file with a secret',
  'commands/views/apply-plan.ts DRAFT_KEPT_MS': 'life of a plan',
  'commands/views/apply-plan.ts MOST_WAITING': 'open proposals',
  'commands/views/apply-plan.ts PROPOSAL_KEPT_MS': 'life of a proposal',
  'revisions/dependency-store.ts MOST_DEPENDENTS': 'packages that a refusal names',
  'views/freeze.ts MOST_FREEZES': 'freezes of one view',
  'revisions/plan-store.ts MOST_DRAFTS': 'plans of one account',
  'commands/views/preview.ts MOST_PREVIEWS': 'previews of one view',
  'views/view.ts LONGEST_NAME': 'name of a view or channel',
  'views/view.ts MOST_MOVED': 'releases that one change of a view moves',
  'webhooks/progress.ts LONGEST_RETRY_MS': 'attempts to deliver one entry',
  'webhooks/progress.ts MOST_ATTEMPTS': 'attempts to deliver one entry',
  'webhooks/send.ts MOST_HEADER_BYTES': "a receiver's answer",
  'webhooks/webhook.ts KEPT_DELIVERIES': 'remembered deliveries of one webhook',
  'webhooks/webhook.ts LONGEST_URL': 'URL of a webhook',
  'webhooks/webhook.ts MOST_FILTER_NAMES': "names in one list of a webhook's filter",
  'webhooks/webhook.ts MOST_WEBHOOKS': 'webhooks',
  'delivery/webhooks.ts MOST_CONNECTIONS': 'deliveries at the same time',
  'depot/control.ts LONGEST_ANSWER_MS': 'one command of the command line',
  'depot/control.ts LONGEST_LINE': 'one command of the command line',
  'depot/control.ts LONGEST_PATH_BYTES': 'one command of the command line',
  'depot/control.ts LONGEST_SILENCE_MS': 'one command of the command line',
  'ledger/idempotency-store.ts KEPT_MS': 'life and length of an `Idempotency-Key`',
  'Limits bodyBytes': 'request bodies in memory',
  'Limits bodyGraceMs': 'time for a whole body',
  'Limits headMs': 'time for the head of a request to arrive',
  'Limits leastBodyBytesPerSecond': 'time for a whole body',
  'Limits orphanGraceMs': 'time that a file without a release is kept',
  'Limits pendingBytes': 'answers in memory that wait',
  'Limits slowAfterMs': 'answers in memory that wait',
  'Limits spoolGraceMs': 'time that a file without a release is kept',
  'Limits unreadMs': 'time in which a client reads nothing',
  'Limits uploadIdleMs': 'pause in a body',
  'Limits wrongTokensPerMinute': 'requests with a wrong token',
}

interface Limit {
  readonly name: string
  /** `undefined` if the constant is not a plain number. */
  readonly value: number | undefined
}

function findLimits(): Limit[] {
  const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !OF_CLIENTS.test(file),
  )
  const constants = files.flatMap((file) =>
    [...readFileSync(new URL(file, SOURCE), 'utf8').matchAll(LIMIT)].map(([, name = '', value = '']) => ({
      name: `${file} ${name}`,
      value: numberIn(value),
    })),
  )
  const [, fields = ''] =
    /^const LIMITS: Limits = \{\n(.*?)^\}/ms.exec(readFileSync(new URL('depot/open.ts', SOURCE), 'utf8')) ??
    []
  return [
    ...constants,
    ...[...fields.matchAll(/^ {2}(\w+): (.*),$/gm)].map(([, name = '', value = '']) => ({
      name: `Limits ${name}`,
      value: numberIn(value),
    })),
  ]
}

/** Evaluates a product as the source writes it: `60 * 60_000`, `64 * 1024 ** 3`. */
function numberIn(text: string): number | undefined {
  const [expression = ''] = text.split(' //', 1)
  if (!/^[\d_]+(?: \*\*? [\d_]+)*$/.test(expression)) return undefined
  return expression
    .replaceAll('_', '')
    .split(' * ')
    .reduce((product, factor) => {
      const [base = '', exponent = '1'] = factor.split(' ** ')
      return product * Number(base) ** Number(exponent)
    }, 1)
}

/** Returns the ways in which a row may write a number. */
function writings(name: string, value: number): string[] {
  const ms = /ms$/i.test(name) ? value : /(?:_SECONDS|_S)$/.test(name) ? value * 1_000 : undefined
  if (ms !== undefined)
    return [
      [1_000, 's'],
      [60_000, 'minute'],
      [3_600_000, 'hour'],
      [86_400_000, 'day'],
    ].map(([unit, word]) => `${ms / Number(unit)} ${word}`)
  const sizes = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'].map((unit, at) => `${value / 1024 ** (at + 1)} ${unit}`)
  return [value.toLocaleString('en-US'), ...sizes, ...(value === 1024 ? ['1 s for each KiB'] : [])]
}

const rows = readFileSync(new URL('../docs/limits.md', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) => line.slice(2, -2).split(' | '))
const limits = findLimits()

function rowsOf(start: string): string[][] {
  return rows.filter(
    ([limit = '']) =>
      limit === start ||
      (limit.startsWith(start) &&
        !/^\w/.test(limit.slice(start.length)) &&
        !rows.some(([other]) => other === start)),
  )
}

test('each limit of the source has a row, or is listed as internal', async (t) => {
  const known = new Set([...Object.keys(ROWS), ...OF_NO_CLIENT])
  t.strictSame(
    limits.map(({ name }) => name).filter((name) => !known.has(name)),
    [],
    'add a row to docs/limits.md, and name it here',
  )
  const found = new Set(limits.map(({ name }) => name))
  t.strictSame(
    [...known].filter((name) => !found.has(name)),
    [],
    'these limits no longer exist',
  )
})

for (const [name, start] of Object.entries(ROWS)) {
  test(`the row of ${name} has its number`, async (t) => {
    const found = rowsOf(start)
    t.equal(found.length, 1, `one row starts with "${start}"`)
    const value = limits.find((limit) => limit.name === name)?.value
    const text = found.flat().join(' | ')
    if (value !== undefined)
      t.ok(
        writings(name, value).some((writing) =>
          new RegExp(`(?<![\\d,.])${writing}(?![\\d,.]\\d)`).test(text),
        ),
        `${value} is in "${text}"`,
      )
  })
}

test('each row has four columns and names only existing variables', async (t) => {
  for (const row of rows) {
    t.equal(row.length, 4, row.join(' | '))
    for (const [variable] of row.join(' ').matchAll(/\bDEPOT_\w+/g))
      t.ok(VARIABLES.includes(variable), variable)
  }
})
