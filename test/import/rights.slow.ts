import { test } from 'tap'
import { ask } from '../support/ask.ts'
import { importInto, membersOf } from '../support/copies/import.ts'
import { APP, NEWER, TOOL, startSource } from '../support/copies/import-source.ts'
import { startProxy } from '../support/http/proxy.ts'
import { setVisibility } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'

test('private packages need a token, and are never public at the destination', async (t) => {
  const { source } = await startSource(t)
  const destination = await startDepot(t, { listen: true })
  await setVisibility(source, NEWER, 'private')
  await importInto(destination, source.url)
  t.notOk(
    (await membersOf(destination, 'unstable')).includes(`${NEWER} for x86_64-linux`),
    'an import without a token does not see the private package',
  )

  const token = await source.account('importer')
  await source.depot.writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account: 'importer', role: 'readonly_member' },
    actor: { client: 'tests', door: 'cli' },
  })
  const seen: number[] = []
  const proxy = await startProxy(t, destination.url, () => {
    void ask(`${destination.url}/v1/depot/pkgs/${NEWER}`).then(({ status }) => seen.push(status))
    return 'pass'
  })
  const { failures } = await importInto(proxy, source.url, { token })
  t.strictSame(failures, [])
  t.ok((await membersOf(destination, 'stable')).includes(`${NEWER} for x86_64-linux`))
  t.equal((await ask(`${destination.url}/v1/depot/pkgs/${NEWER}`)).status, 404)
  t.ok(seen.every((status) => status === 404))
  t.equal(
    (await ask(`${destination.url}/v1/depot/pkgs/${APP}`)).status,
    200,
    'other releases of the package stay public',
  )
})

test('a visibility that differs at the destination stays and is reported', async (t) => {
  const { source } = await startSource(t)
  const destination = await startDepot(t, { listen: true })
  await importInto(destination, source.url, { origins: ['tools'] })
  await setVisibility(destination, TOOL, 'private')
  const { notes } = await importInto(destination, source.url, { origins: ['tools'] })
  t.match(notes, [new RegExp(`^${TOOL} for x86_64-linux stays private `)])
  t.equal((await ask(`${destination.url}/v1/depot/pkgs/${TOOL}`)).status, 404)
})

test('a new origin can be given to an account that is not a member', async (t) => {
  const { source } = await startSource(t)
  const destination = await startDepot(t, { listen: true })
  await destination.account('ada')
  const { failures } = await importInto(destination, source.url, { owner: 'ada' })
  t.strictSame(failures, [])
  const owner = async () =>
    (JSON.parse((await ask(`${destination.url}/v1/depot/origins/acme`)).text) as { owner_account: string })
      .owner_account
  t.equal(await owner(), 'ada')
  await destination.account('bob')
  await importInto(destination, source.url, { owner: 'bob' })
  t.equal(await owner(), 'ada', 'an origin with another owner keeps it')
})

test('an unknown owner is refused before anything is copied', async (t) => {
  const { source } = await startSource(t)
  const destination = await startDepot(t, { listen: true })
  for (const isDryRun of [true, false])
    await t.rejects(importInto(destination, source.url, { owner: 'ada', isDryRun }), {
      failure: 'refused',
      message: /has no account ada/,
    })
  t.equal((await ask(`${destination.url}/v1/depot/origins/acme`)).status, 404, 'the origin was not created')
})

test('an origin that the source lacks is reported, and the others are copied', async (t) => {
  const { source } = await startSource(t)
  const destination = await startDepot(t, { listen: true })
  const { failures, copied } = await importInto(destination, source.url, { origins: ['nobody', 'tools'] })
  t.strictSame(failures, [`the origin nobody: ${source.url}/v1 has no such origin`])
  t.match(copied, { origins: 1, releases: 1 })
})

test('if the origin cannot be created, nothing else of it is copied', async (t) => {
  const { source } = await startSource(t)
  const destination = await startDepot(t, { listen: true, environment: { DEPOT_ORIGIN_CREATORS: 'admin' } })
  const toToken = await destination.account('ada')
  const { failures, copied } = await importInto(destination, source.url, { toToken })
  t.match(failures, [/^the origin acme: POST .*\/depot\/origins answered 403: ada may not create origins$/])
  t.match(copied, { origins: 0, releases: 0, members: 0 })
})
