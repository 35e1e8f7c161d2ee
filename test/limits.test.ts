import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'tap'
import { VARIABLES } from '../src/config/config.ts'

// docs/limits.md has a row for each limit. A limit is a constant of a module whose name starts with one of
// the words of LIMIT, or a field of `Limits`. This file maps each limit to its row, or lists it as one that
// no client meets. The row must have the number of the source.

const SOURCE = new URL('../src/', import.meta.url)
/** Code that runs for a client or an operator, not in the depot. */
const OF_CLIENTS = /^(cli|client|import|pull|remote)\//
const LIMIT =
  /^(?:export )?const ((?:MAX|MIN|KEPT)_\w+|DEFAULT_(?:MAX_BODY_BYTES|JSON_LIMITS|PAGE_SIZE)|\w+_KEPT_MS)(?:: [^=]+)? = (.*)$/gm

/** Sizes of internal steps, which do not change any answer. */
const OF_NO_CLIENT: readonly string[] = [
  'config/config.ts MAX_PORT', // of TCP
  'tracing/open.ts MAX_CLOSE_MS', // how long a depot that stops sends traces
  'upkeep/collect.ts MAX_REMEMBERED_FILES',
  'upstream/refresh-channel.ts MAX_REASONS',
  'accounts/page-session-store.ts MAX_DELETED_SESSIONS',
  'http/page/pipeline/routes.ts MAX_COUNTED_CHANGES',
  'http/page/plans/change-form.ts MAX_RELEASES_LENGTH', // half of a form
  'http/page/html/query.ts MAX_NAMES_LENGTH', // more than the names that the API takes need
  'text/period.ts MAX_MS', // of dates
  'http/page/sign-in/routes.ts MAX_PATH_LENGTH', // to which a sign-in returns; longer ones are ignored
  'accounts/denials.ts MAX_PATH_LENGTH', // of a path that a list shows
  'edge/follow-depot.ts MAX_WAIT_S', // of an edge, which is a client
  'edge/follow-depot.ts MAX_PAUSE_MS',
  'edge/layout.ts MAX_FILE_NAME_BYTES', // of file systems
  'edge/materializer.ts MAX_LOOKING',
  'audit/signed-note.ts MAX_NOTE_CHARACTERS', // of a file that an operator names
  'blobs/read-buffers.ts MAX_SPARE_BUFFERS',
  'cluster/blob-locks.ts MAX_WAIT_MS', // far longer than removing a blob takes
  'blobs/s3/objects.ts MAX_PARTS', // of S3; parts grow with the file
  'blobs/s3/sdk.ts MAX_CONNECTIONS', // more than clients have
  'blobs/s3/stream.ts MAX_REOPENED',
  'blobs/small-files.ts MAX_FILES', // that are stored together; more wait for the next turn
  'hart/origin-key.ts MAX_KEY_OBJECTS',
  'config/s3-place.ts MAX_PREFIX', // of a setting
  'upkeep/scrub.ts MAX_YIELD_MS',
  'upkeep/scrub.ts MAX_DAMAGED',
  'upkeep/scrub.ts MAX_ATTEMPTS',
  'database/batches.ts MAX_BATCH_SIZE',
  'database/sqlite/connection.ts MAX_CACHED_SQL_LENGTH',
  'database/postgres/connection.ts MAX_NAMED_SQL_LENGTH',
  'database/postgres/connection.ts MAX_NAMED_STATEMENTS',
  'database/postgres/connection.ts MAX_INT8',
  'database/postgres/connection.ts MAX_DEFERRED',
  'database/postgres/connection.ts MAX_DEFERRED_LENGTH',
  'database/postgres/engine.ts MAX_READS',
  'database/postgres/engine.ts MAX_PROMPT_READS',
  'writer/shared-ledger.ts MAX_ATTEMPTS',
  'writer/shared-ledger.ts MAX_REPEATING_MS',
  'database/sqlite/connection.ts MAX_CACHED_STATEMENTS',
  'hart/xz.ts MAX_NUMBER_BYTES',
  'search/suffixes.ts MAX_SUFFIX_LENGTH', // longer words are compared with the whole name
  'hart/xz.ts MAX_TAIL_BLOCKS',
  'http/api/views/routes.ts MAX_REREADS', // then the count may be of a later revision
  'http/api/events/stream.ts MAX_TIMER_MS',
  'http/api/events/stream.ts MAX_ENTRIES_PER_STEP',
  'http/api/events/stream.ts MIN_TIMER_MS',
  'http/api/events/text.ts MAX_SHOWN_VALUES',
  'http/requests/chunked-body.ts MAX_SIZE_LINE_LENGTH',
  'http/habitat/polls/poll-request.ts MAX_HEAD_BYTES',
  'http/requests/descriptors.ts MAX_CAUSE_DEPTH',
  'http/requests/limit-connections.ts MAX_CLOSE_MS',
  'http/requests/limit-connections.ts MAX_REFUSED_CONNECTIONS',
  'http/requests/one-at-a-time.ts MAX_TAIL_BYTES',
  'http/page/pipeline/brief-memory.ts KEPT_MS',
  'http/create-app.ts MAX_CLOSE_MS',
  'tracing/open.ts MAX_CLOSE_MS',
  'following/visible-pages.ts MAX_SHARED_DISTANCE',
  'following/visible-pages.ts MAX_SHARED_PAGES',
  'lockfiles/lockfile.ts MAX_LINES', // follows from MAX_LOCKED_RELEASES
  'text/columns.ts MIN_CUT_WIDTH',
  'text/nearest.ts MAX_COMPARED_LENGTH',
  'releases/list-store.ts MAX_BATCH_SIZE',
  'search/package-search.ts MAX_WORDS', // no name has more
  'revisions/diff-store.ts MAX_EXAMINED_CHANGES',
  'revisions/diff-store.ts MAX_SECTION_LINES',
  'revisions/visible-span-store.ts MAX_PAGE_SIZE',
  'delivery/delivery-log.ts MAX_BATCH_SIZE',
  'delivery/delivery-log.ts MAX_UNSAVED_ATTEMPTS',
  'delivery/webhook-delivery.ts MAX_PAGE_SIZE',
  'ledger/follower.ts MAX_PAGE_SIZE',
  'delivery/webhook-delivery.ts MAX_SEQUENCE_SPAN',
  'writer/writer.ts MAX_BATCH_COMMANDS',
  'writer/writer.ts MAX_BATCH_MS',
  'writer/writer.ts MAX_READ_MS',
  'writer/long-commands.ts MAX_READ_AHEAD_ATTEMPTS',
]

/** The start of the row of each limit. */
const ROWS: Readonly<Record<string, string>> = {
  'database/postgres/connection.ts MAX_WAIT_MS': 'time that a read waits for a connection to PostgreSQL',
  'cluster/node.ts MAX_WAIT_MS': 'time that a change waits for other nodes',
  'config/upstream-config.ts MAX_NEWEST': 'releases of each package of a channel that a mirror keeps',
  'config/upstream-config.ts MAX_PARALLEL': 'packages that a mirror fetches at the same time',
  'config/upstream-config.ts MIN_RATE': "rate of a mirror's downloads",
  'upstream/mirror.ts MAX_FAILURES_IN_A_ROW': 'failures in a row in one run of the mirror',
  'upstream/mirror.ts MAX_SIZES_ASKED': 'sizes that a dry run of the mirror asks for',
  'http/api/upstream/shapes.ts MAX_PLANNED': 'releases that a dry run of the mirror lists',
  'config/upstream-config.ts MIN_REFRESH_MS': "time from the end of a refresh of upstream's channels",
  'upstream/refresh-channel.ts MAX_LISTED': 'releases that upstream lists in one channel',
  'access/account-name.ts MAX_ACCOUNT_NAME_LENGTH': 'name of an account',
  'accounts/authenticate.ts MAX_SESSIONS': 'tokens whose rights are kept',
  'commands/callers.ts MAX_SESSIONS': 'tokens whose rights are kept',
  'accounts/address-limit.ts MAX_ADDRESSES': 'addresses whose wrong tokens',
  'accounts/page-session-store.ts MAX_SESSIONS_OF_TOKEN': 'browsers that are signed in to the page',
  'http/page/pipeline/read-rows.ts MAX_EXAMINED_LINES': 'rows that a page of the pipeline',
  'http/page/pipeline/routes.ts MAX_ROWS': 'rows of the pipeline',
  'http/page/activity/read-activity.ts MAX_EXAMINED_ENTRIES': 'entries that a page of the activity',
  'http/page/administration/audit.ts MAX_SHOWN': 'refusals on the page',
  'http/page/administration/origin.ts MAX_SHOWN': 'members or keys on the page',
  'http/page/live/routes.ts MAX_FOLLOWERS': 'pages that follow the depot',
  'http/page/page-server.ts MAX_BODY_BYTES': 'form of a page',
  'accounts/denials.ts MAX_REMEMBERED_DENIALS': 'refused requests that are counted apart',
  'accounts/denial-store.ts MAX_STORED_DENIALS': 'stored refusals',
  'accounts/token-uses.ts MAX_TOKENS': 'tokens whose last use is remembered',
  'accounts/token.ts MAX_LIFETIME_MS': 'life of a token',
  'accounts/token.ts MAX_LIFETIME_YEARS': 'life of a token',
  'answers/answers.ts MAX_ABSENT_KEY_LENGTH': 'remembered questions without an answer',
  'answers/answers.ts MAX_ABSENT_KEYS': 'remembered questions without an answer',
  'answers/answer-cache.ts MAX_BODY_BYTES': 'answers to polls in memory',
  'pollers/pollers.ts MAX_LINES': 'packages in views whose pollers are counted',
  'pollers/uptake.ts MAX_POINTS': 'points of the uptake of a package',
  'pollers/pollers.ts MAX_NAMES': 'views, packages and addresses by which failed polls are counted',
  'pollers/counted-names.ts MAX_NAME_LENGTH':
    'views, packages and addresses by which failed polls are counted',
  'blobs/disk-space.ts MAX_RESERVE_BYTES': 'room on the disk',
  'blobs/read-buffers.ts MAX_LARGE_BUFFERS': 'read buffers of 1 MiB for downloads',
  'audit/verify-blobs.ts MAX_REPORTED': 'faults that `verify` names',
  'changes/change-record.ts MAX_CHANGES_OF_RELEASE': 'changes to which one release belongs',
  'changes/change-record.ts MAX_CHANGE_NAME_LENGTH': 'name of a change',
  'changes/change-record.ts MAX_MESSAGE_LENGTH': 'message of a phase',
  'changes/change-record.ts MAX_PHASES': 'phases of one change',
  'changes/change-record.ts MAX_RELEASES': 'releases of one change',
  'changes/change-record.ts MAX_URL_LENGTH': 'URL of a change or a job',
  'changes/change-store.ts MAX_EXAMINED_CHANGES': 'newer changes of a project',
  'http/api/changes/shapes.ts MAX_LISTED_CHANGES': 'changes in one page of the list',
  'config/config.ts MIN_UPLOAD_BYTES': 'package',
  'config/setting-values.ts MAX_BYTES': 'package',
  'config/secrets.ts MAX_SECRET_KEYS': 'keys of stored secrets',
  'config/config.ts MAX_WORKERS': 'threads that answer requests',
  'database/sqlite/reading-threads.ts MAX_THREADS': 'reads of many rows',
  'config/config.ts MAX_QUARANTINE_DAYS': 'time that the bytes of a release stay',
  'retention/candidate-store.ts MAX_RETIRED_AT_ONCE': 'releases that one step of retention removes',
  'retention/judge.ts MAX_EXAMINED_DEPENDENTS': 'releases that depend on a release and are examined',
  'retention/pin-store.ts MAX_PINS': 'pinned revisions',
  'retention/reasons.ts MAX_CHAINS': 'reasons that explain why a release is kept',
  'retention/registered-store.ts MAX_REGISTERED_LOCKFILES': 'registered lockfiles',
  'retention/registered-store.ts MAX_REGISTERED_RELEASES': 'releases of one registered lockfile',
  'retention/rule-store.ts MAX_RULES': 'retention rules',
  'upkeep/collect.ts MIN_HELD_FILES': 'files without a release that are removed',
  'upkeep/retention.ts MIN_REMOVED': 'releases that the daily runs of retention remove in a day',
  'views/retention-rule.ts MAX_KEPT_LAST': 'releases of a line that a retention rule keeps',
  'views/retention-rule.ts MAX_PERIOD_MS': 'period in a retention rule',
  'views/retention-rule.ts MAX_VIEWS_OF_RULE': 'views that a retention rule names',
  'views/retention-rule.ts MIN_AGE_MS': 'age of a release that retention may remove',
  'errors.ts MAX_PARTS': 'causes of one refusal',
  'hart/archive.ts MAX_UNPACKED_BYTES': 'unpacked size of a package',
  'hart/files-list.ts MAX_LINE_BYTES': "line of a package's list of files",
  'hart/header.ts MAX_HEADER_BYTES': 'header of a package',
  'hart/package-paths.ts MAX_SYMLINK_NAMES_BYTES': 'total length of the names of symbolic links',
  'hart/scan.ts MAX_SCAN_MS': 'time to scan one package',
  'hart/scan.ts MAX_WAITING_SCANS': 'packages of all accounts that wait for a scan',
  'hart/scan.ts MAX_WAITING_SCANS_PER_ACCOUNT': 'packages of one account that wait for a scan',
  'hart/tar.ts MAX_EXTENSION_BYTES': "path in a package's archive",
  'hart/tar.ts MAX_PATH_LENGTH': "path in a package's archive",
  'hart/tar.ts MAX_ENTRIES': "entries of a package's archive",
  'hart/xz.ts MAX_DICTIONARY_BYTES': 'memory needed to unpack a package',
  'http/api/conventions/body-limits.ts DEFAULT_MAX_BODY_BYTES': 'JSON body below `/api/v1`',
  'http/api/conventions/body-limits.ts DEFAULT_JSON_LIMITS': 'levels, values and fields',
  'accounts/account-store.ts BRIEF_TOKENS_KEPT_MS': 'time that the token of a job or a person is listed',
  'accounts/account-store.ts MAX_DELETED_TOKENS': 'time that the token of a job or a person is listed',
  'signin/exchange-rule.ts MIN_LIFETIME_MS': 'life of a token that a job gets',
  'signin/exchange-rule.ts MAX_LIFETIME_MS': 'life of a token that a job gets',
  'signin/exchange-rule.ts MAX_EXCHANGE_RULES': 'exchange rules',
  'signin/exchange-rule.ts MAX_CLAIMS': 'claims of an exchange rule',
  'signin/exchange-rule.ts MAX_CLAIM_VALUES': 'values of one claim in a rule',
  'signin/issuer-keys.ts MIN_INTERVAL_MS': "pause between requests for an issuer's keys",
  'signin/issuer-request.ts MAX_ISSUER_REPLY_BYTES': 'answer of an issuer',
  'signin/issuer-request.ts MAX_HEADER_BYTES': 'answer of an issuer',
  'signin/issuer.ts MAX_ISSUER_LENGTH': 'URL of an issuer',
  'signin/spent-token-store.ts KEPT_MS': 'time that an exchanged ID token is remembered',
  'signin/verify-id-token.ts MAX_CLOCK_DIFFERENCE_S': 'difference between the clocks of an issuer',
  'commands/accounts/exchange-token.ts MAX_SUBJECT_LENGTH': 'subject of an ID token',
  'http/api/signin/shapes.ts MAX_ID_TOKEN_LENGTH': 'ID token in a request',
  'signin/person.ts MAX_GROUPS': 'groups of a person',
  'signin/person.ts MAX_GROUP_LENGTH': 'groups of a person',
  'signin/person.ts MAX_SUBJECT_LENGTH': 'subject of a person',
  'http/requests/single-sign-on.ts MAX_WAITING': 'requests that wait for the single sign-on',
  'http/api/signin/shapes.ts MAX_DEVICE_CODE_LENGTH': 'device code in a request',
  'http/api/signin/shapes.ts MAX_CLAIM_LENGTH': "length of a claim's value",
  'http/api/accounts/shapes.ts MAX_EMAIL_LENGTH': 'email address of an account',
  'http/api/tokens/shapes.ts MAX_LABEL_LENGTH': 'label of a token',
  'http/api/tokens/shapes.ts MAX_NAMES': 'origins or views to which a token is narrowed by one request',
  'http/api/gates/shapes.ts MAX_PROPOSAL_SECONDS': 'life of a proposal',
  'http/api/promotions/shapes.ts MAX_REASON_LENGTH': 'reason of a change',
  'http/api/gates/shapes.ts MAX_SOAK_SECONDS': 'soak time',
  'http/api/gates/shapes.ts MAX_SETTLE_SECONDS': 'time in which `latest` of a package must not move again',
  'http/api/gates/shapes.ts MAX_ACCOUNTS': 'accounts in one list',
  'views/change-request.ts MAX_NAMED_RELEASES': 'releases named one by one',
  'views/desired-state.ts MAX_VIEWS_IN_STATE': 'views in one desired state',
  'http/api/gates/shapes.ts MAX_REQUIRED_PHASES': 'phases that one requirement of a view names',
  'http/api/gates/shapes.ts MAX_REQUIREMENTS': 'views that the rules of a view require',
  'http/api/views/shapes.ts MAX_UNGOVERNED': 'origins that a view does not govern',
  'origins/reserved-names.ts MAX_RESERVED_PATTERNS': 'reserved names and patterns of origins',
  'http/operator/storage-metrics.ts MAX_MEASURED_ORIGINS': 'origins with a quota in the metrics',
  'http/api/origins/keys.ts MAX_KEY_FILE_BYTES': "file of an origin's key",
  'http/api/lockfiles/trusted-keys.ts MAX_KEY_FILE_BYTES': "file of a depot's key",
  'http/api/events/pages.ts MAX_FILTER_NAMES': 'names of views, origins or kinds',
  'http/api/events/pages.ts MAX_EMPTY_PAGES': 'pages that one request with `wait` reads',
  'http/api/conventions/shapes.ts MAX_WAIT_S': 'time that a request waits for new entries',
  'http/api/events/stream.ts MAX_UNREAD_BYTES': 'events that are written to a stream',
  'http/api/conventions/shapes.ts MAX_PAGE_SIZE': 'items of a page below `/api/v1`',
  'http/api/conventions/shapes.ts DEFAULT_PAGE_SIZE': 'items of a page below `/api/v1`',
  'http/habitat/views/absent-views.ts MAX_WARNINGS': 'remembered names of views that do not exist',
  'http/habitat/conventions/body.ts MAX_JSON_BYTES': 'JSON body below `/v1`',
  'http/habitat/conventions/body.ts MAX_NAMED_FIELDS': 'faults of a body below `/v1`',
  'http/requests/package-body.ts MAX_FIELD_BYTES': 'fields beside the package',
  'http/habitat/packages/lists.ts MAX_UNPAGED_ITEMS': 'items of a whole list of packages',
  'http/requests/descriptors.ts MIN_CONNECTIONS': 'connections',
  'http/requests/error-reply.ts MAX_DETAIL_LENGTH': 'faults of a request',
  'http/requests/error-reply.ts MAX_PART_LENGTH': 'one fault of a request',
  'http/requests/error-reply.ts MAX_PARTS': 'faults of a request',
  'http/requests/public-path.ts MAX_PREFIX_LENGTH': 'path that a trusted proxy forwards',
  'search/package-query.ts MAX_QUERY_PARTS': 'words and fields of a search',
  'search/find-packages.ts MAX_EXAMINED_SUFFIXES': 'places in names',
  'http/requests/validate.ts MAX_PARAMETER_LENGTH': "one part of a URL's path",
  'http/stop.ts MAX_STOP_MS': 'time for requests to end',
  'clock.ts MAX_CLOCK_SKEW_MS': 'commit times ahead of the clock',
  'following/feed.ts MAX_CACHED_ENTRIES': 'entries in memory',
  'following/feed.ts MAX_CACHED_BYTES': 'entries in memory',
  'ledger/ledger-store.ts MAX_PAGE_TEXT_BYTES': 'text of the ledger that is read',
  'following/visible-pages.ts MAX_EXAMINED_ENTRIES': 'entries that are read for one page of events',
  'following/visible-pages.ts MAX_SEQUENCE_SPAN': 'entries that are read for one page of events',
  'audit/verify.ts MAX_FINDINGS': 'faults that `verify` names',
  'lockfiles/depot-key-store.ts MAX_OWN_KEYS': "depot's own keys in one list",
  'lockfiles/depot-key-store.ts MAX_TRUSTED_KEYS': 'trusted depot keys',
  'lockfiles/depot-key.ts MAX_KEY_FILE_BYTES': "file of a depot's key",
  'lockfiles/depot-key.ts MAX_NAME_LENGTH': 'name of a trusted depot key',
  'lockfiles/lockfile.ts MAX_LOCKFILE_BYTES': 'lockfile',
  'lockfiles/lockfile.ts MAX_LOCKED_RELEASES': 'releases in one lockfile',
  'log.ts MAX_STACK_LENGTH': 'text of one field in a line of the log',
  'log.ts MAX_FIELD_LENGTH': 'text of one field in a line of the log',
  'hart/origin-key.ts MAX_KEY_FILE_BYTES': "file of an origin's key",
  'origins/origin-store.ts MAX_KEYS': 'keys of an origin in one list',
  'package/ident.ts MAX_PART_LENGTH': 'part of an ident',
  'config/secret-file.ts MAX_BYTES': 'file with a secret',
  'commands/views/apply-plan.ts DRAFT_KEPT_MS': 'life of a plan',
  'commands/views/apply-plan.ts MAX_WAITING_PROPOSALS': 'open proposals',
  'commands/views/apply-plan.ts PROPOSAL_KEPT_MS': 'life of a proposal',
  'revisions/dependency-store.ts MAX_DEPENDENTS': 'packages that a refusal names',
  'views/freeze.ts MAX_FREEZES': 'freezes of one view',
  'revisions/plan-store.ts MAX_DRAFTS': 'plans of one account',
  'commands/views/preview.ts MAX_PREVIEWS': 'previews of one view',
  'views/view.ts MAX_NAME_LENGTH': 'name of a view or channel',
  'views/view.ts MAX_MOVED_RELEASES': 'releases that one change of a view moves',
  'upstream/upstream.ts MAX_FETCHES': 'releases that are fetched from upstream',
  'upstream/upstream.ts MAX_REMEMBERED_FAILURES': 'remembered failures and misses',
  'upstream/upstream.ts MAX_REMEMBERED_SHOWS': "descriptions of upstream's releases",
  'upstream/upstream.ts MAX_REMEMBERED_SHOW_LENGTH': "descriptions of upstream's releases",
  'upstream/upstream.ts MISS_KEPT_MS': 'time for which it is remembered that upstream',
  'upstream/upstream.ts FAILURE_KEPT_MS': 'time for which a failure of upstream',
  'upstream/upstream.ts SHOW_KEPT_MS': "descriptions of upstream's releases",
  'upstream/upstream.ts MAX_QUESTIONS_PER_MINUTE': 'requests of one address without a token',
  'webhooks/progress.ts MAX_RETRY_MS': 'attempts to deliver one entry',
  'webhooks/progress.ts MAX_ATTEMPTS': 'attempts to deliver one entry',
  'webhooks/send.ts MAX_HEADER_BYTES': "a receiver's answer",
  'webhooks/webhook.ts KEPT_DELIVERIES': 'remembered deliveries of one webhook',
  'webhooks/webhook.ts MAX_URL_LENGTH': 'URL of a webhook',
  'webhooks/webhook.ts MAX_FILTER_NAMES': "names in one list of a webhook's filter",
  'webhooks/webhook.ts MAX_WEBHOOKS': 'webhooks',
  'delivery/webhooks.ts MAX_CONNECTIONS': 'deliveries at the same time',
  'depot/control.ts MAX_ANSWER_MS': 'one command of the command line',
  'depot/control.ts MAX_LINE_LENGTH': 'one command of the command line',
  'depot/control.ts MAX_SOCKET_PATH_BYTES': 'one command of the command line',
  'depot/control.ts MAX_SILENCE_MS': 'one command of the command line',
  'ledger/idempotency-store.ts KEPT_MS': 'life and length of an `Idempotency-Key`',
  'Limits bodyBytes': 'request bodies in memory',
  'Limits bodyGraceMs': 'time for a whole body',
  'Limits headMs': 'time for the head of a request to arrive',
  'Limits minBodyBytesPerSecond': 'time for a whole body',
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
    /^export const LIMITS: Limits = \{\n(.*?)^\}/ms.exec(
      readFileSync(new URL('depot/limits.ts', SOURCE), 'utf8'),
    ) ?? []
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
  const ms = /(?:_MS|Ms)$/.test(name) ? value : /(?:_SECONDS|_S)$/.test(name) ? value * 1_000 : undefined
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
