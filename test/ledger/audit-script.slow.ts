import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import tap, { test } from 'tap'
import { findHead } from '../../src/ledger/ledger-store.ts'
import { standIns } from '../support/documents/document.ts'
import { makeReleases, move, setVisibility } from '../support/release-rows.ts'
import { ADMIN_TOKEN, startDepot } from '../support/start-depot.ts'

// Runs docs/audit-ledger.sh like an auditor. On machines without curl or jq, replacements are used.

const SCRIPT = fileURLToPath(new URL('../../docs/audit-ledger.sh', import.meta.url))
const programs = await standIns(tap)

interface Audited {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function audit(args: readonly string[], environment: Record<string, string> = {}): Promise<Audited> {
  const { PATH = '' } = process.env
  return new Promise((resolve) => {
    execFile(
      SCRIPT,
      args,
      { env: { PATH: `${PATH}:${programs}`, TMPDIR: tmpdir(), ...environment } },
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
      },
    )
  })
}

const started = await startDepot(tap, { listen: true })
const { url } = started
const releases = await makeReleases(
  started,
  'acme/app/1.0.0/20260101000000',
  'acme/web/1.0.0/20260101000000',
  'acme/secret/1.0.0/20260101000000',
)
await setVisibility(started, 'acme/secret/1.0.0/20260101000000', 'private')
await move(started, 'promote', 'delivered', releases, {
  reason: 'naïve “quotes” \\ $(true) %s \u0007 € 😀\n\ttwo lines',
})
const noted = await findHead(started.depot.db)
await move(started, 'promote', 'union', releases)
const head = await findHead(started.depot.db)
const HART_DEPOT_TOKEN = ADMIN_TOKEN

test('the script has twenty lines of shell', async (t) => {
  t.ok((await readFile(SCRIPT, 'utf8')).trimEnd().split('\n').length <= 20)
})

test('the script follows the chain to the head, with all visible texts', async (t) => {
  const [whole, seen] = await Promise.all([audit([url], { HART_DEPOT_TOKEN }), audit([`${url}/`])])
  t.match(whole, {
    code: 0,
    stderr: '',
    stdout: `head ${head.sequence}  ${head.hash}: ${head.sequence} entries, ${head.sequence} with their text\n`,
  })
  t.match(seen, {
    code: 0,
    stderr: '',
    stdout: new RegExp(
      `^head ${head.sequence}  ${head.hash}: ${head.sequence} entries, \\d+ with their text\n$`,
    ),
  })
  t.not(seen.stdout, whole.stdout, 'something is kept from the public')
})

test('the script works with the replacements of curl and jq', async (t) => {
  t.match(await audit([url], { PATH: `${programs}:${process.env['PATH'] ?? ''}` }), {
    code: 0,
    stderr: '',
    stdout: new RegExp(`^head ${head.sequence}  ${head.hash}:`),
  })
})

test('the script finds an earlier head again', async (t) => {
  t.match(await audit([url, String(noted.sequence), noted.hash]), { code: 0, stderr: '' })
  const other = noted.hash.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))
  t.match(await audit([url, String(noted.sequence), other]), {
    code: 1,
    stdout: '',
    stderr: `audit-ledger: entry ${noted.sequence} ${other} has changed\n`,
  })
  t.match(await audit([url, String(head.sequence + 1), other]), {
    code: 1,
    stdout: '',
    stderr: `audit-ledger: the ledger ends at ${head.sequence}\n`,
  })
})

test('without arguments the script prints its usage', async (t) => {
  const usage = 'usage: audit-ledger.sh URL [SEQUENCE HASH], with HART_DEPOT_TOKEN to see private entries\n'
  for (const args of [
    [],
    [''],
    [url, '3'],
    [url, 'three', noted.hash],
    [url, '3', 'abc'],
    [url, '3', noted.hash, 'more'],
  ]) {
    t.match(await audit(args), { code: 2, stdout: '', stderr: usage }, args.join(' '))
  }
})

test('the script reports an unreachable depot', async (t) => {
  t.match(await audit(['http://127.0.0.1:9']), { code: /[1-9]/, stdout: '' })
  t.match(
    await audit([url], { HART_DEPOT_TOKEN: 'wrong' }),
    {
      code: 22,
      stdout: '',
      stderr: /401\n.*"detail":"the token is unknown or revoked, or its account is disabled"/,
    },
    'with the answer of the depot',
  )
})

interface Page {
  readonly events: { sequence: number; digest: string; hash: string; salt?: string; text?: string }[]
}

type Lie = (page: Page) => unknown

/** Returns what the depot answers to its administrator, with an altered entry. */
async function answerOf(path: string, lie: Lie | undefined): Promise<string> {
  const honest = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } })
  const body = (await honest.json()) as Page
  if (path.includes('/events')) lie?.(body)
  return JSON.stringify(body)
}

test('the script fails if any value differs from the hashed one', async (t) => {
  const told: { lie?: Lie } = {}
  const liar = createServer((request, response) => {
    void answerOf(request.url ?? '', told.lie).then((body) => response.end(body))
  })
  t.teardown(() => liar.close())
  await once(liar.listen(0, '127.0.0.1'), 'listening')
  const lies = `http://127.0.0.1:${(liar.address() as AddressInfo).port}`
  t.match(await audit([lies]), { code: 0, stdout: /^head / }, 'while its answers are correct')

  const change =
    (part: 'text' | 'salt' | 'digest' | 'hash', to: string) =>
    ({ events }: Page) =>
      Object.assign(events[noted.sequence - 1] ?? {}, { [part]: to })
  const ways: Record<string, [lie: Lie, expected: RegExp]> = {
    'a text': [change('text', '{}'), new RegExp(`text.${noted.sequence}: FAILED`)],
    'a text in two lines': [change('text', '{\n}'), /or its hash is missing/],
    'a salt': [change('salt', '0'.repeat(32)), new RegExp(`text.${noted.sequence}: FAILED`)],
    'a digest': [
      change('digest', '0'.repeat(64)),
      new RegExp(
        `text.${noted.sequence}: FAILED\nhash.${noted.sequence}: FAILED|hash.${noted.sequence}: FAILED`,
      ),
    ],
    'a hash': [
      change('hash', '0'.repeat(64)),
      new RegExp(
        `hash.${noted.sequence}: FAILED\nhash.${noted.sequence + 1}: FAILED|hash.${noted.sequence}: FAILED`,
      ),
    ],
    'a digest that is more than one': [change('digest', `$(exit)  /etc/hostname`), /or its hash is missing/],
    'an entry that is gone': [
      ({ events }) => events.splice(4, 1),
      /^audit-ledger: entry 5 or its hash is missing\n$/,
    ],
    'two entries that changed places': [
      ({ events }) => events.splice(0, 2, ...events.slice(0, 2).toReversed()),
      /^audit-ledger: entry 1 or its hash is missing\n$/,
    ],
    'the last entries, which are gone': [
      ({ events }) => events.splice(-2),
      new RegExp(`^audit-ledger: the ledger ends at ${head.sequence - 2}\n$`),
    ],
  }
  for (const [way, [lie, expected]] of Object.entries(ways)) {
    told.lie = lie
    const { code, stdout, stderr } = await audit([lies])
    t.match({ code, stdout }, { code: 1, stdout: '' }, way)
    t.match(stderr, expected, way)
  }
})

test('the script follows the chain from page to page', async (t) => {
  await Promise.all(
    Array.from({ length: 1_000 }, (_, index) =>
      move(started, index % 2 === 0 ? 'promote' : 'demote', 'rehearsal', releases.slice(0, 1)),
    ),
  )
  const end = await findHead(started.depot.db)
  t.match(await audit([url, String(head.sequence), head.hash], { HART_DEPOT_TOKEN }), {
    code: 0,
    stdout: `head ${end.sequence}  ${end.hash}: ${end.sequence} entries, ${end.sequence} with their text\n`,
  })
})
