import { test } from 'tap'
import { buildHart } from '../support/build-hart.ts'
import { HabitatClient } from '../support/habitat/habitat-client.ts'
import { makeOrigin } from '../support/origin.ts'
import { ADMIN_TOKEN, startDepot } from '../support/start-depot.ts'

test('the Ruby gem uploads, shows, fetches and promotes with a token in its URL', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  const gem = new HabitatClient(`${started.url.replace('http://', `http://ci:${ADMIN_TOKEN}@`)}/v1/depot`)
  const hart = buildHart({ ident: 'acme/pandas/0.1.0/20160720120000' })
  await gem.putPackage(hart)
  t.match(await gem.showPackage('acme/pandas'), {
    checksum: hart.checksum,
    ident: { release: '20160720120000' },
  })
  for (const ident of ['acme/pandas', 'acme/pandas/0.1.0', 'acme/pandas/0.1.0/20160720120000']) {
    const { fileName, bytes } = await gem.fetchPackage(ident)
    t.equal(fileName, 'acme-pandas-0.1.0-20160720120000-x86_64-linux.hart')
    t.ok(bytes.equals(hart.bytes), ident)
  }
  await gem.promotePackage('acme/pandas/0.1.0/20160720120000', 'acceptance')
  await gem.promotePackage('acme/pandas/0.1.0/20160720120000', 'acceptance') // a repetition succeeds
  const below = new HabitatClient(`${started.url}/v1/depot/views/acceptance`)
  t.match(await below.showPackage('acme/pandas'), { checksum: hart.checksum })
})

test('the Ruby gem gets errors that it understands', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  const anonymous = new HabitatClient(`${started.url}/v1/depot`)
  const wrong = new HabitatClient(`${started.url.replace('http://', 'http://ci:wrong-token@')}/v1/depot`)
  const gem = new HabitatClient(`${started.url.replace('http://', `http://ci:${ADMIN_TOKEN}@`)}/v1/depot`)
  const hart = buildHart({ ident: 'acme/pandas/0.1.0/20160720120000' })
  await t.rejects(anonymous.putPackage(hart), /Depot returned 401 on uploading/)
  await t.rejects(wrong.putPackage(hart), /Depot returned 401 on uploading/)
  await t.rejects(gem.showPackage('acme/pandas'), SyntaxError, 'an empty 404 is no JSON')
  await t.rejects(gem.putPackage({ ...hart, checksum: 'f'.repeat(64) }), /Depot returned 422 on uploading/)
  await gem.putPackage(hart)
  await t.rejects(gem.putPackage(hart), /Depot returned 409 on uploading/)
  await t.rejects(
    anonymous.promotePackage('acme/pandas/0.1.0/20160720120000', 'acceptance'),
    /Depot returned 401 on promote/,
  )
  await t.rejects(
    gem.promotePackage('acme/pandas/0.1.0/20160720120000', 'nowhere'),
    /Depot returned 404 on promote/,
  )
  await t.rejects(
    gem.promotePackage('acme/pandas/9.9.9/20160720120000', 'acceptance'),
    /Depot returned 404 on promote/,
  )
  await t.rejects(gem.promotePackage('acme/pandas', 'acceptance'), /fully qualified/)
})
