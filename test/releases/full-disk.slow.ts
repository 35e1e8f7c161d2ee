import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { test } from 'tap'
import type { Test } from 'tap'
import { listTokens } from '../../src/accounts/account-store.ts'
import { buildServer } from '../../src/http/server.ts'
import { commandTable } from '../../src/commands/command-table.ts'
import { Writer } from '../../src/writer/writer.ts'
import { ask } from '../support/ask.ts'
import { buildHart } from '../support/build-hart.ts'
import { bearer, makeOrigin, promoteTo, publishAll, upload, uploadPath } from '../support/origin.ts'
import { startDepot } from '../support/start-depot.ts'
import { traces } from '../support/traces.ts'
import { until } from '../support/until.ts'

// Two full disks without a file system of their own: the kernel limits the size of this process's files
// (RLIMIT_FSIZE), and SQLite limits the number of pages. Neither needs special rights.

process.on('SIGXFSZ', () => undefined) // node ignores this signal by itself, but tap does not

function limitFiles(soft: string): string {
  const before = execFileSync(
    'prlimit',
    ['--pid', String(process.pid), '--fsize', '--output', 'SOFT', '--noheadings', '--raw'],
    { encoding: 'utf8' },
  ).trim()
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${soft}:`])
  return before
}

test('a disk that fills up during an upload gives 507, and reads still work', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  await publishAll(started, 'acme/app/1.0.0/20260101120000')
  const large = buildHart({
    ident: 'acme/app/1.1.0/20260101120000',
    files: [{ path: 'large', content: Buffer.alloc(6 * 1024 * 1024, 'x') }],
  })
  const before = await traces(started.depot)

  const usual = limitFiles(String(4 * 1024 * 1024))
  try {
    t.match(await upload(started, large), { status: 507, text: '' })
    t.match(await upload(started, large, { headers: { ...bearer(), 'user-agent': 'hab/2.1.78' } }), {
      status: 507,
      text: /acme\/app\/1\.1\.0/,
    })
    t.ok(
      started.logged.some((line) => String(line['refusal']).startsWith('storage_full: ')),
      'it is named in the log',
    )
    t.same(await traces(started.depot), before)
    t.equal((await ask(`${started.url}/v1/depot/pkgs/acme/app/latest`)).status, 200)
    t.equal((await ask(`${started.url}/v1/depot/pkgs/acme/app/1.0.0/20260101120000/download`)).status, 200)
    await publishAll(started, 'acme/app/1.0.1/20260101120000')
  } finally {
    limitFiles(usual)
  }
  t.equal((await upload(started, large)).status, 201, 'with room there is no trace of it')
})

test('a disk without room for a small package gives 507, and the next one is stored', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  await publishAll(started, 'acme/app/1.0.0/20260101120000')
  const before = await traces(started.depot)
  const [one, two] = ['1.1.0', '1.2.0'].map((version) =>
    buildHart({ ident: `acme/app/${version}/20260101120000` }),
  )
  if (one === undefined || two === undefined) throw new Error('two packages were made')
  const usual = limitFiles('512')
  const answers = await Promise.all([upload(started, one), upload(started, two)]).finally(() =>
    limitFiles(usual),
  )
  for (const answer of answers) t.match(answer, { status: 507, text: '' })
  t.same(await traces(started.depot), before)
  t.equal((await upload(started, one)).status, 201)
})

test('a disk that is full when the rows are written gives 507, and the bytes are removed', async (t) => {
  const started = await startDepot(t)
  await makeOrigin(started)
  const { depot, app } = started
  const before = await traces(depot)
  const full = await depot.engine.open(depot.now())
  t.teardown(() => full.close())
  await sql`PRAGMA max_page_count = 1`.execute(full.writable) // the database cannot grow
  const fullApp = await buildServer({
    ...depot,
    writer: await Writer.open(full.writable, commandTable, { now: depot.now }),
  })

  const hart = buildHart({ config: `text = "${'x'.repeat(1024 * 1024)}"` })
  const request = () =>
    ({ method: 'POST', url: uploadPath(hart), headers: bearer(), payload: Buffer.from(hart.bytes) }) as const
  t.match(await fullApp.inject(request()), { statusCode: 507, body: '' })
  t.same(await traces(depot), before)
  t.match(await fullApp.inject({ url: '/v1/depot/origins/acme' }), { statusCode: 200 })
  t.match(await app.inject(request()), { statusCode: 201 }, 'with room its ident is free')
})

/** The value of one metric. */
async function metric(url: string, name: string): Promise<number> {
  const line = (await (await fetch(`${url}/metrics`)).text())
    .split('\n')
    .find((candidate) => candidate.startsWith(`${name} `))
  return Number(line?.slice(name.length + 1))
}

/** A folder in memory, if the system has one, because no other process fills it. */
async function scratch(t: Test): Promise<string> {
  const folder = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'hart-depot-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const UNREACHABLE = '1000000GiB'
const AS_HAB = { ...bearer(), 'user-agent': 'hab/2.1.78' }

test('below the reserve, uploads are refused before their bytes are read, and everything else succeeds', async (t) => {
  const folder = await scratch(t)
  const roomy = await startDepot(t, { folder, listen: true, environment: { DEPOT_DISK_RESERVE: '0' } })
  await makeOrigin(roomy)
  const hart = buildHart({ ident: 'acme/tool/1.0.0/20260101120000' })
  t.equal((await upload(roomy, hart)).status, 201)
  t.equal(await metric(roomy.url, 'hart_depot_stored_bytes'), hart.bytes.length)
  t.equal(await metric(roomy.url, 'hart_depot_disk_reserve_bytes{holds="packages"}'), 0)
  t.ok((await metric(roomy.url, 'hart_depot_disk_free_bytes{holds="packages"}')) > 0)
  t.ok((await metric(roomy.url, 'hart_depot_disk_free_bytes{holds="database"}')) > 0)
  await roomy.account('ci')
  await roomy.close()

  const started = await startDepot(t, {
    folder,
    listen: true,
    environment: { DEPOT_DISK_RESERVE: UNREACHABLE },
  })
  const { depot, url } = started
  const before = await traces(depot)
  const announced = await ask(url + uploadPath(buildHart()), {
    method: 'POST',
    headers: { ...AS_HAB, expect: '100-continue', 'content-length': 1 },
    body: '',
  })
  t.match(announced, {
    status: 507,
    text: /acme\/app\/\S+: \d+ more bytes/,
  })
  t.match(await upload(started, hart), { status: 409 }, 'what is there is told first')
  t.match(await upload(started, hart, { query: { forced: 'true' } }), { status: 507 })
  t.same(await traces(depot), before)

  t.match(await promoteTo(started, 'stable', hart), { status: 200 })
  t.match(await promoteTo(started, 'stable', hart, 'demote'), { status: 200 })
  t.match(
    await ask(`${url}/v1/depot/pkgs/acme/tool/1.0.0/20260101120000`, { method: 'DELETE', headers: bearer() }),
    { status: 204 },
  )
  const [token] = (await listTokens(depot.db)).filter(({ account }) => account === 'ci')
  await depot.writer.submit({
    kind: 'revokeToken',
    input: { tokenId: Number(token?.id) },
    actor: { client: 'tests', door: 'cli' },
  })
  t.match(await (await fetch(`${url}/readyz`)).json(), {
    ready: true,
    disk: /^full: \d+ bytes are left, and \d+ are reserved$/,
    reasons: [/disk is full/],
  })
})

test('an upload that would use the reserve is refused by its announced length, or when it gets there', async (t) => {
  const folder = await scratch(t)
  const { bavail, bsize } = await statfs(folder)
  const started = await startDepot(t, {
    folder,
    listen: true,
    environment: { DEPOT_DISK_RESERVE: String(bavail * bsize - 12 * 1024 * 1024) },
  })
  await makeOrigin(started)
  await publishAll(started, 'acme/app/1.0.0/20260101120000')
  const before = await traces(started.depot)
  const large = buildHart({
    ident: 'acme/app/1.1.0/20260101120000',
    files: [{ path: 'large', content: Buffer.alloc(24 * 1024 * 1024, 'x') }],
  })
  t.match(await upload(started, large, { headers: AS_HAB }), {
    status: 507,
    text: /acme\/app\/1\.1\.0/,
  })
  let sent = 0
  const pieces = function* () {
    for (let at = 0; at < large.bytes.length; at += 64 * 1024) {
      sent += 1
      yield large.bytes.subarray(at, at + 64 * 1024)
    }
  }
  const chunked = await ask(started.url + uploadPath(large), {
    method: 'POST',
    headers: AS_HAB,
    body: pieces(),
  })
  t.match(chunked, { status: 507, text: /acme\/app\/1\.1\.0/ })
  t.ok(sent > 100, 'its bytes were taken until then')
  t.same(await traces(started.depot), before)
  await until(
    'there is room on the disk',
    async () => (await statfs(folder)).bavail * bsize > bavail * bsize - 6 * 1024 * 1024,
  ) // the hashing threads have closed the file
  await publishAll(started, 'acme/app/1.0.1/20260101120000')
})
