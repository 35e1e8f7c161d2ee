import { execFileSync } from 'node:child_process'
import { sql } from 'kysely'
import { test } from 'tap'
import { openDatabase } from '../../src/database/database.ts'
import { buildServer } from '../../src/http/server.ts'
import { Writer } from '../../src/writer/writer.ts'
import { ask } from '../support/ask.ts'
import { buildHart } from '../support/build-hart.ts'
import { bearer, makeOrigin, publishAll, upload, uploadPath } from '../support/origin.ts'
import { startDepot } from '../support/start-depot.ts'
import { traces } from '../support/traces.ts'

// Two disks that are really full, without a file system of their own: the kernel lets no file of this process grow beyond a limit
// (RLIMIT_FSIZE), and SQLite lets no database grow beyond a number of pages. Both need no rights.

process.on('SIGXFSZ', () => undefined) // which node ignores by itself, and tap does not

function limitFiles(soft: string): string {
  const before = execFileSync('prlimit', ['--pid', String(process.pid), '--fsize', '--output', 'SOFT', '--noheadings', '--raw'], { encoding: 'utf8' }).trim()
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${soft}:`])
  return before
}

test('a disk that is full while bytes come is a 507, and everything still reads', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  await publishAll(started, 'acme/app/1.0.0/20260101120000')
  const large = buildHart({ ident: 'acme/app/1.1.0/20260101120000', files: [{ path: 'large', content: Buffer.alloc(16 * 1024 * 1024, 'x') }] })
  const before = await traces(started.depot)

  const usual = limitFiles(String(8 * 1024 * 1024))
  try {
    t.match(await upload(started, large), { status: 507, text: '' })
    t.match(await upload(started, large, { headers: { ...bearer(), 'user-agent': 'hab/2.1.78' } }), { status: 507, text: /no room for acme\/app\/1\.1\.0/ })
    t.ok(started.logged.some((line) => String(line['refusal']).startsWith('storage_full: ')), 'it is named in the log')
    t.same(await traces(started.depot), before)
    t.equal((await ask(`${started.url}/v1/depot/pkgs/acme/app/latest`)).status, 200)
    t.equal((await ask(`${started.url}/v1/depot/pkgs/acme/app/1.0.0/20260101120000/download`)).status, 200)
    await publishAll(started, 'acme/app/1.0.1/20260101120000')
  } finally {
    limitFiles(usual)
  }
  t.equal((await upload(started, large)).status, 201, 'with room there is no trace of it')
})

test('a disk that is full when the rows are written is a 507, and takes the bytes away again', async (t) => {
  const started = await startDepot(t)
  await makeOrigin(started)
  const { depot, app } = started
  const before = await traces(depot)
  const full = openDatabase(depot.config.databaseFile, depot.now())
  t.teardown(() => full.close())
  await sql`PRAGMA max_page_count = 1`.execute(full.writable) // which means: no more than there are
  const fullApp = await buildServer({ ...depot, writer: await Writer.open(full.writable, depot.now) })

  const hart = buildHart({ config: `text = "${'x'.repeat(1024 * 1024)}"` })
  const request = () => ({ method: 'POST', url: uploadPath(hart), headers: bearer(), payload: Buffer.from(hart.bytes) }) as const
  t.match(await fullApp.inject(request()), { statusCode: 507, body: '' })
  t.same(await traces(depot), before)
  t.match(await fullApp.inject({ url: '/v1/depot/origins/acme' }), { statusCode: 200 })
  t.match(await app.inject(request()), { statusCode: 201 }, 'with room its ident is free')
})
