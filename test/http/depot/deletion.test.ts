import { readdir } from 'node:fs/promises'
import { test } from 'tap'
import { UNRESTRICTED_AUDIENCE } from '../../../src/access/access.ts'
import { listRevisions } from '../../../src/revisions/history-store.ts'
import { getView } from '../../../src/revisions/view-store.ts'
import { ask } from '../../support/ask.ts'
import { buildHart } from '../../support/build-hart.ts'
import { bearer, makeOrigin, promoteTo, publishAll, upload } from '../../support/origin.ts'
import { startDepot } from '../../support/start-depot.ts'
import type { TestDepot } from '../../support/start-depot.ts'

// habitat-today.md 1.10, 3.1 and 6 (Packages).

const IDENT = 'acme/app/1.0.0/20260101120000'
const path = `/v1/depot/pkgs/${IDENT}`

async function files({ depot }: TestDepot): Promise<string[]> {
  return (await readdir(depot.config.blobFolder, { recursive: true })).filter((name) => name.length > 60)
}

test('a deleted release is gone everywhere, and its ident can be uploaded again', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  const [hart] = await publishAll(started, IDENT, 'acme/app/0.9.0/20260101120000')
  if (hart !== undefined) await promoteTo(started, 'base', hart)
  const places = [
    '/v1/depot/pkgs/acme/app/latest',
    path,
    `${path}/download`,
    '/v1/depot/channels/acme/unstable/pkgs/app/1.0.0/20260101120000',
    '/v1/depot/channels/acme/base/pkgs/app/latest',
  ]
  for (const place of places) t.equal((await ask(started.url + place)).status, 200, place)

  t.match(await ask(`${started.url}${path}?target=x86_64-linux`, { method: 'DELETE', headers: bearer() }), {
    status: 204,
    text: '',
  })
  for (const place of places.slice(1)) t.equal((await ask(started.url + place)).status, 404, place)
  t.match(
    JSON.parse((await ask(started.url + String(places[0]))).text),
    { ident: { version: '0.9.0' } },
    'latest goes back',
  )
  t.match(JSON.parse((await ask(`${started.url}/v1/depot/pkgs/acme`)).text), { total_count: 1 })
  t.match(JSON.parse((await ask(`${started.url}/v1/depot/pkgs/search/app`)).text), { total_count: 1 })
  t.equal((await files(started)).length, 1, 'its bytes are gone')
  t.match(
    await ask(`${started.url}${path}?target=x86_64-linux`, { method: 'DELETE', headers: bearer() }),
    { status: 404, text: '' },
    'and it is not there to delete',
  )
  const history = await listRevisions(
    started.depot.db,
    await getView(started.depot.db, 'base'),
    { before: 9, limit: 9 },
    UNRESTRICTED_AUDIENCE,
  )
  t.match(history[0], { revision: 2, act: 'demote', cause: 'release-deleted', left: [{ ident: IDENT }] })

  const other = buildHart({ ident: IDENT, config: 'other = 1' })
  t.equal((await upload(started, other)).status, 201, 'even with other bytes')
  const { headers, body } = await ask(`${started.url}${path}/download`)
  t.equal(headers.etag, `"${other.checksum}"`)
  t.ok(body.equals(other.bytes))
  t.match(JSON.parse((await ask(started.url + path)).text), { checksum: other.checksum })
})

test('a release cannot be deleted while it is in stable or in a promoted view, or while others depend on its package', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  const [hart, , dependent] = await publishAll(
    started,
    IDENT,
    { ident: IDENT, target: 'x86_64-windows' },
    {
      ident: 'acme/web/1.0.0/20260101120000',
      deps: ['acme/app/0.1.0/20250101120000'],
      tdeps: ['acme/app/0.1.0/20250101120000'],
    },
  )
  const remove = async (ident: string, target = 'x86_64-linux') =>
    ask(`${started.url}/v1/depot/pkgs/${ident}?target=${target}`, { method: 'DELETE', headers: bearer() })
  t.match(
    await remove(IDENT),
    { status: 422, text: `Deleting package with rdeps not allowed '${IDENT}'` },
    'dependents are judged by name',
  )
  t.equal((await remove(IDENT, 'x86_64-windows')).status, 204, 'and by target')
  t.match(await remove(IDENT, 'vax-vms'), { status: 422, text: "Invalid package target 'vax-vms'" })
  t.equal((await remove('acme/web/1.0.0/20260101120000')).status, 204)
  t.ok(dependent)
  if (hart !== undefined) await promoteTo(started, 'stable', hart)
  t.match(
    await remove(IDENT),
    { status: 422, text: `Deleting package in stable channel not allowed '${IDENT}'` },
    'stable',
  )
  if (hart !== undefined) await promoteTo(started, 'stable', hart, 'demote')
  if (hart !== undefined) await promoteTo(started, 'delivered', hart)
  t.match(
    await remove(IDENT),
    { status: 422, text: `Deleting package in delivered channel not allowed '${IDENT}'` },
    'delivered',
  )
  if (hart !== undefined) await promoteTo(started, 'delivered', hart, 'demote')
  t.equal((await remove(IDENT)).status, 204)
  t.strictSame(await files(started), [])
})

test('bytes left by a crash are removed, and bytes that are needed again are kept', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  const [hart] = await publishAll(started, IDENT)
  const { folder } = started
  const actor = { client: 'tests', door: 'cli' } as const
  await started.depot.writer.submit({
    kind: 'deleteRelease',
    input: { ident: IDENT, target: 'x86_64-linux' },
    actor,
  }) // no others
  t.equal((await files(started)).length, 1)
  await started.close()
  const again = await startDepot(t, { listen: true, folder, limits: { orphanGraceMs: 0 } })
  await again.depot.upkeep?.collector.walk()
  t.strictSame(await files(again), [])
  t.equal((await upload(again, hart ?? buildHart())).status, 201)
  t.equal((await files(again)).length, 1)
  await again.depot.upkeep?.collector.walk()
  t.equal((await files(again)).length, 1)
  await again.close()
  const third = await startDepot(t, { listen: true, folder })
  t.equal((await files(third)).length, 1, 'bytes that are needed again stay')
})

test('rights are checked before existence', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  await publishAll(started, IDENT)
  const stranger = await started.account('stranger')
  for (const ident of [IDENT, 'acme/app/9.9.9/20260101120000', 'nobody/app/1/1']) {
    t.match(await ask(`${started.url}/v1/depot/pkgs/${ident}`, { method: 'DELETE' }), {
      status: 401,
      text: '',
    })
    t.match(
      await ask(`${started.url}/v1/depot/pkgs/${ident}`, { method: 'DELETE', headers: bearer(stranger) }),
      { status: 403, text: '' },
    )
  }
  t.match(await ask(`${started.url}/v1/depot/pkgs/acme/a%20b/1/2`, { method: 'DELETE', headers: bearer() }), {
    status: 422,
    text: '',
  })
})
