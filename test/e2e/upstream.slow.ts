import { join } from 'node:path'
import { test } from 'tap'
import { buildHart } from '../support/build-hart.ts'
import { HabToday, Machine, uploadToday } from '../support/habitat/hab-today.ts'
import { makeOrigin } from '../support/origin.ts'
import { ADMIN_TOKEN } from '../support/start-depot.ts'
import { GLIBC, REDIS, isDownload, startSite } from '../support/copies/upstream-site.ts'

test("today's clients upload and install packages whose dependencies only upstream has", async (t) => {
  const { site, asked } = await startSite(t)
  await makeOrigin(site, 'acme')
  const hab = new HabToday(site.url, { token: ADMIN_TOKEN })
  const app = buildHart({ ident: 'acme/app/1.0.0/20260201120000', deps: [GLIBC], tdeps: [GLIBC] })
  t.same(await uploadToday(hab, app, { tdeps: [GLIBC], channel: 'stable' }), [
    'key exists',
    'acme/app/1.0.0/20260201120000 uploaded',
  ])
  t.notOk(asked.some(isDownload), 'an upload fetches no dependency')

  const machine = new Machine(
    new HabToday(`${site.url}/v1/depot/views/stable`, { product: 'hab-sup' }),
    join(site.folder, 'host'),
    site.depot.scanner,
  )
  t.equal(await machine.install('acme/app', 'stable'), 'acme/app/1.0.0/20260201120000')
  t.equal(await machine.install(REDIS), REDIS)
  t.same(machine.installed, [GLIBC, 'acme/app/1.0.0/20260201120000', REDIS])
  t.equal(asked.filter(isDownload).length, 2, 'each is fetched once')
})
