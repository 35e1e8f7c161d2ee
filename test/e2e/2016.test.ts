import { join } from 'node:path'
import { test } from 'tap'
import { buildHart, makeKeys } from '../support/build-hart.ts'
import { DepotClient2016, HttpError2016, Supervisor2016, upload2016 } from '../support/habitat/hab-2016.ts'
import { HabitatClient } from '../support/habitat/habitat-client.ts'
import { ADMIN_TOKEN, startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'

const glibc = buildHart({ ident: 'core/glibc/2.22/20160612063629' })
const zlib = buildHart({
  ident: 'core/zlib/1.2.8/20160612064520',
  deps: ['core/glibc/2.22/20160612063629'],
  tdeps: ['core/glibc/2.22/20160612063629'],
})
const tdeps = ['core/glibc/2.22/20160612063629', 'core/zlib/1.2.8/20160612064520']
const app = (version: string, release: string) =>
  buildHart({
    ident: `acme/app/${version}/${release}`,
    deps: ['core/zlib/1.2.8/20160612064520'],
    tdeps,
    exposes: [8080],
  })

async function depotOfTwoOrigins(started: TestDepot): Promise<void> {
  const actor = { client: 'tests', door: 'cli' } as const
  for (const name of ['core', 'acme'])
    await started.depot.writer.submit({ kind: 'createOrigin', input: { name, ownerId: 1 }, actor })
}

test('clients of 2016 upload and promote, and a supervisor with the URL of a view updates', async (t) => {
  const started = await startDepot(t, { listen: true })
  await depotOfTwoOrigins(started)
  const { url, folder, depot } = started
  const hab = new DepotClient2016(`${url}/v1/depot`)
  const gem = new HabitatClient(`${url.replace('http://', `http://ci:${ADMIN_TOKEN}@`)}/v1/depot`)
  const token = ADMIN_TOKEN
  const supervisor = new Supervisor2016(
    `${url}/v1/depot/views/acceptance`,
    join(folder, 'host'),
    depot.scanner,
  )

  await t.rejects(supervisor.start('acme/app'), /package not found/, 'there is nothing yet')
  await hab.putOriginKey(makeKeys('core').publicKey, token)
  t.same(
    await upload2016(hab, app('1.9.0', '20160720120000'), { token, tdeps, folder: [glibc, zlib] }),
    ['key acme-20260101000000', ...tdeps, 'acme/app/1.9.0/20160720120000'],
    'an upload brings its dependencies',
  )
  await t.rejects(
    supervisor.start('acme/app'),
    /package not found/,
    'uploaded releases are not in the view yet',
  )

  await gem.promotePackage('acme/app/1.9.0/20160720120000', 'acceptance')
  await supervisor.start('acme/app')
  t.same(
    supervisor.installed,
    [...tdeps, 'acme/app/1.9.0/20160720120000'],
    'dependencies are served below the view without a promotion',
  )
  t.equal(await supervisor.poll(), 'nothing')

  t.same(await upload2016(hab, app('1.10.0', '20160721120000'), { token, tdeps }), [
    'key exists',
    'acme/app/1.10.0/20160721120000',
  ])
  t.equal(await supervisor.poll(), 'nothing', 'an upload alone moves no view')
  await gem.promotePackage('acme/app/1.10.0/20160721120000', 'acceptance')
  t.equal(await supervisor.poll(), 'updated', '1.10.0 is after 1.9.0')
  t.equal(supervisor.running, 'acme/app/1.10.0/20160721120000')

  await gem.promotePackage('acme/app/1.9.0/20160720120000', 'acceptance')
  t.equal(await supervisor.poll(), 'nothing', 'it never goes down')
  const newcomer = new Supervisor2016(
    `${url}/v1/depot/views/acceptance`,
    join(folder, 'newcomer'),
    depot.scanner,
  )
  await newcomer.start('acme/app')
  t.equal(
    newcomer.running,
    'acme/app/1.9.0/20160720120000',
    'a new machine installs the release promoted last',
  )
  const pinned = new Supervisor2016(`${url}/v1/depot/views/acceptance`, join(folder, 'pinned'), depot.scanner)
  await pinned.start('acme/app/1.10.0')
  t.equal(pinned.running, 'acme/app/1.10.0/20160721120000')
  const exact = new Supervisor2016(`${url}/v1/depot/views/union`, join(folder, 'exact'), depot.scanner)
  await exact.start('acme/app/1.10.0/20160721120000')
  t.equal(exact.running, 'acme/app/1.10.0/20160721120000', 'a whole ident is shown below any view')
})

test('hab of 2016 gets the faults of an upload', async (t) => {
  const started = await startDepot(t, { listen: true })
  await depotOfTwoOrigins(started)
  const hab = new DepotClient2016(`${started.url}/v1`)
  const hart = app('1.0.0', '20160720120000')
  const stranger = await started.account('stranger')
  const fails = async (what: string, doing: Promise<unknown>, status: number) =>
    t.rejects(doing, new HttpError2016(status), what)
  await fails('an unknown token', upload2016(hab, hart, { token: 'unknown-token-of-nobody' }), 401)
  await fails('a stranger to the origin', upload2016(hab, hart, { token: stranger }), 403)
  await hab.putOriginKey(hart.keys.publicKey, ADMIN_TOKEN)
  await fails('a key that is there', hab.putOriginKey(hart.keys.publicKey, ADMIN_TOKEN), 409)
  await fails('another checksum', hab.putPackage({ ...hart, checksum: 'f'.repeat(64) }, ADMIN_TOKEN), 422)
  await hab.putPackage(hart, ADMIN_TOKEN)
  await fails('what is there', hab.putPackage(hart, ADMIN_TOKEN), 409)
  t.same(await upload2016(hab, hart, { token: ADMIN_TOKEN }), ['key exists', 'exists'])
})
