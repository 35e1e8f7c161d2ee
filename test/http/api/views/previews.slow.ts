import { sqliteFileOf } from '../../../../src/config/database.ts'
import BetterSqlite3 from 'better-sqlite3'
import tap, { test } from 'tap'
import { ask } from '../../../support/ask.ts'
import { callApi } from '../../../support/call-api.ts'
import { bearer } from '../../../support/origin.ts'
import { makeReleases, makeView, move } from '../../../support/release-rows.ts'
import type { ReleaseRow } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

const STAMP = '20260101000000'
const started = await startDepot(tap, { listen: true })
const [app1, app2, app3, web1, web2, api1] = (await makeReleases(
  started,
  ...['app/1', 'app/2', 'app/3', 'web/1', 'web/2', 'api/1'].map((name) => `acme/${name}/${STAMP}`),
)) as [ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow]
async function account(name: string): Promise<string> {
  const token = await started.account(name)
  await callApi(started, 'PUT', `/api/v1/origins/acme/members/${name}`, { body: { role: 'maintainer' } })
  return token
}
const [ci, lead] = [await account('ci'), await account('lead')]

let count = 0
/** Creates a view, a plan for it, and a preview of both. */
async function previewed(sets: readonly (readonly ReleaseRow[])[], body: unknown) {
  count += 1
  const [base, name] = [`base-${count}`, `base-${count}.tomorrow`]
  await makeView(started, base, 'promoted')
  for (const set of sets) await move(started, 'promote', base, set)
  const plan = String(
    (await callApi(started, 'POST', `/api/v1/views/${base}/plans`, { body, token: ci })).body?.['plan'],
  )
  const made = await callApi(started, 'POST', `/api/v1/views/${base}/previews`, {
    body: { name, plan },
    token: ci,
  })
  return { base, name, plan, made }
}

const identIn = (text: string) =>
  Object.values((JSON.parse(text) as { ident: Record<string, string> }).ident)
    .slice(0, 4)
    .join('/')

/** Sends the requests of Supervisors of both generations. */
const poll = async (view: string, name: string) => {
  const old = await ask(`${started.url}/v1/depot/views/${view}/pkgs/acme/${name}/latest`)
  const today = await ask(`${started.url}/v1/depot/channels/acme/${view}/pkgs/${name}/latest`)
  if (old.status !== today.status) throw new Error(`${old.status} and ${today.status}`)
  return old.status === 200 && identIn(old.text) === identIn(today.text) ? identIn(old.text) : old.status
}
const apply = async (plan: string) => callApi(started, 'POST', `/api/v1/plans/${plan}/apply`, { token: ci })

test('a preview shows the view with the effect of the plan, to every client', async (t) => {
  const { base, name, made } = await previewed([[app1, web1]], { releases: [app2] })
  t.match(made, { status: 201, differences: '', body: { name, rule: 'promoted' } })
  t.equal(await poll(name, 'app'), app2.ident)
  t.equal(await poll(name, 'web'), web1.ident)
  t.equal(await poll(base, 'app'), app1.ident)
  t.match(await callApi(started, 'GET', `/api/v1/views/${name}`), {
    differences: '',
    body: { preview_of: base, packages: 2 },
  })
  t.match(await callApi(started, 'GET', `/api/v1/views/${name}/content`), {
    differences: '',
    body: { pointers: [{ ident: app2.ident }, { ident: web1.ident }] },
  })
})

test('a preview follows its view except for the moves of its plan', async (t) => {
  const { base, name } = await previewed([[app1, web1]], { releases: [app2] })
  await move(started, 'promote', base, [web2, app3, api1])
  t.strictSame(
    [await poll(name, 'app'), await poll(name, 'web'), await poll(name, 'api')],
    [app2.ident, web2.ident, api1.ident],
  )
  await move(started, 'demote', base, [api1])
  t.equal(await poll(name, 'api'), 404)
})

test('a preview of a demotion shows an empty line', async (t) => {
  const { name } = await previewed([[app1, web1]], { act: 'demote', releases: [app1] })
  t.strictSame([await poll(name, 'app'), await poll(name, 'web')], [404, web1.ident])
})

test('a preview disappears when its plan is applied', async (t) => {
  const { base, name, plan } = await previewed([[app1]], { releases: [app2] })
  t.match(await apply(plan), { status: 200 })
  t.equal(await poll(base, 'app'), app2.ident)
  t.equal(await poll(name, 'app'), 404)
  t.notOk(JSON.stringify((await callApi(started, 'GET', '/api/v1/views')).body).includes(name))
  t.match(
    await callApi(started, 'GET', `/api/v1/views/${name}/history`),
    { status: 200, differences: '' },
    'and its past stays',
  )
})

test('a preview shows the replacement of a stale plan', async (t) => {
  const { base, name, plan } = await previewed([[app1]], { releases: [app2] })
  await move(started, 'promote', base, [app3])
  const stale = await apply(plan)
  t.equal(stale.status, 412)
  t.equal(await poll(name, 'app'), app2.ident)
  t.match(await apply((stale.body?.['plan'] as { plan: string } | undefined)?.plan ?? ''), { status: 200 })
  t.equal(await poll(name, 'app'), 404)
})

test('the author of a plan can drop its preview, and the name is free again', async (t) => {
  const { base, name, plan } = await previewed([[app1]], { releases: [app2] })
  t.match(await callApi(started, 'DELETE', `/api/v1/views/${name}`, { token: lead }), {
    status: 403,
    differences: '',
  })
  t.match(await callApi(started, 'DELETE', `/api/v1/views/${name}`, { token: ci }), { status: 204 })
  t.equal(await poll(name, 'app'), 404)
  t.match(
    await callApi(started, 'POST', `/api/v1/views/${base}/previews`, { body: { name, plan }, token: ci }),
    { status: 201 },
  )
  t.equal(await poll(name, 'app'), app2.ident)
})

test('other views are closed only by administrators', async (t) => {
  t.match(await callApi(started, 'DELETE', '/api/v1/views/delivered', { token: ci }), {
    status: 403,
    differences: '',
  })
  t.match(await callApi(started, 'DELETE', '/api/v1/views/nowhere'), { status: 404, differences: '' })
})

test('a preview cannot be changed directly', async (t) => {
  const { name } = await previewed([[app1]], { releases: [app2] })
  const post = async (what: string, body: unknown) =>
    callApi(started, 'POST', `/api/v1/views/${name}/${what}`, { body })
  for (const [what, body] of [
    ['promotions', { releases: [web1] }],
    ['demotions', { releases: [app2] }],
    ['rollbacks', { to: 0 }],
    ['reverts', { revision: 1 }],
    ['plans', { releases: [web1] }],
  ] as const) {
    t.match(await post(what, body), { status: 409, differences: '', body: { code: 'refused' } }, what)
  }
  t.match(await callApi(started, 'PUT', `/api/v1/views/${name}/gates`, { body: {} }), { status: 409 })
  t.match(await callApi(started, 'PUT', `/api/v1/views/${name}/freeze`, { body: { reason: 'x' } }), {
    status: 409,
  })
  t.equal(
    (
      await ask(`${started.url}/v1/depot/channels/acme/${name}`, {
        method: 'DELETE',
        headers: { authorization: `Bearer ${ci}` },
      })
    ).status,
    403,
  )
  t.equal(await poll(name, 'app'), app2.ident)
})

test('a plan blocked by rules can be previewed, and one without rights cannot', async (t) => {
  await makeView(started, 'walled', 'promoted')
  await callApi(started, 'PUT', '/api/v1/views/walled/gates', { body: { approval: {} } })
  const proposal = String(
    (
      await callApi(started, 'POST', '/api/v1/views/walled/proposals', {
        body: { releases: [app2] },
        token: ci,
      })
    ).body?.['plan'],
  )
  t.match(
    await callApi(started, 'POST', '/api/v1/views/walled/previews', {
      body: { name: 'walled.tomorrow', plan: proposal },
      token: ci,
    }),
    { status: 201 },
  )
  t.equal(await poll('walled.tomorrow', 'app'), app2.ident)
  t.match(await callApi(started, 'POST', `/api/v1/plans/${proposal}/reject`, { token: ci }), { status: 200 })
  t.equal(await poll('walled.tomorrow', 'app'), 404)
  await makeReleases(started, `core/tool/1/${STAMP}`)
  const plan = String(
    (
      await callApi(started, 'POST', '/api/v1/views/walled/plans', {
        body: { from: { view: 'unstable', origin: 'core' } },
        token: ci,
      })
    ).body?.['plan'],
  )
  t.match(
    await callApi(started, 'POST', '/api/v1/views/walled/previews', {
      body: { name: 'squat', plan },
      token: ci,
    }),
    { status: 403, differences: '' },
  )
})

const make = async (view: string, body: unknown, token = ci) =>
  callApi(started, 'POST', `/api/v1/views/${view}/previews`, { body, token })

test('a preview needs a valid plan of its view and a free name', async (t) => {
  const { base, plan } = await previewed([[app1]], { releases: [app2] })
  t.match(await make('delivered', { name: 'x', plan }), { status: 400, differences: '' })
  t.match(await make(base, { name: 'stable', plan }), {
    status: 409,
    differences: '',
    body: { code: 'already_exists' },
  })
  t.match(await make(base, { name: '-x', plan }), { status: 400, differences: '' })
  t.match(await make(base, { name: 'x', plan: 'nonsense' }), { status: 404, differences: '' })
  t.match(await make(base, { name: 'x', plan }, lead), { status: 403, differences: '' })
  await apply(plan)
  t.match(await make(base, { name: 'x', plan }), { status: 409, differences: '' })
})

test('a plan without effect reserves no name', async (t) => {
  const nobody = await started.account('nobody')
  await makeReleases(started, `elsewhere/tool/1/${STAMP}`)
  await callApi(started, 'PUT', '/api/v1/origins/elsewhere/members/nobody', { body: { role: 'maintainer' } })
  const { base } = await previewed([[app1]], { releases: [app2] })
  const planned = await callApi(started, 'POST', `/api/v1/views/${base}/plans`, {
    body: { from: { view: 'rehearsal' } },
    token: nobody,
  })
  t.match(planned, { status: 201, body: { releases: [] } })
  t.match(await make(base, { name: 'production', plan: planned.body?.['plan'] }, nobody), {
    status: 409,
    differences: '',
    body: { code: 'refused' },
  })
})

test('a preview is not a channel, and clients cannot keep its name open', async (t) => {
  const { name } = await previewed([[app1]], { releases: [app2] })
  await makeReleases(started, `umbrella/tool/1/${STAMP}`)
  const channel = async (method: 'POST' | 'DELETE') =>
    (
      await ask(`${started.url}/v1/depot/channels/umbrella/${name}`, {
        method,
        headers: { ...bearer(), 'content-length': 0 },
      })
    ).status
  t.equal(await channel('POST'), 403)
  await callApi(started, 'DELETE', `/api/v1/views/${name}`, { token: ci })
  t.equal(await channel('POST'), 201)
  t.equal(await channel('DELETE'), 200)
  t.notOk(JSON.stringify((await callApi(started, 'GET', '/api/v1/views')).body).includes(name))
})

test('a preview does not prevent the deletion of a release', async (t) => {
  await makeView(started, 'high', 'highest')
  const [old, young, planned] = (await makeReleases(
    started,
    ...['old/1', 'old/2', 'new/1'].map((name) => `acme/${name}/${STAMP}`),
  )) as [ReleaseRow, ReleaseRow, ReleaseRow]
  await move(started, 'promote', 'high', [old, young])
  const plan = (
    await callApi(started, 'POST', '/api/v1/views/high/plans', { body: { releases: [planned] }, token: ci })
  ).body?.['plan']
  t.match(await make('high', { name: 'high.tomorrow', plan }), { status: 201 })
  for (const { ident } of [young, planned])
    t.equal(
      (
        await ask(`${started.url}/v1/depot/pkgs/${ident}?target=x86_64-linux`, {
          method: 'DELETE',
          headers: bearer(ci),
        })
      ).status,
      204,
    )
  t.strictSame([await poll('high.tomorrow', 'old'), await poll('high.tomorrow', 'new')], [old.ident, 404])
})

test('a token narrowed to views cannot preview under another name', async (t) => {
  const { base } = await previewed([[app1]], { releases: [app2] })
  const token = await started.account('narrow', { views: [base, `${base}.mine`] })
  await callApi(started, 'PUT', '/api/v1/origins/acme/members/narrow', { body: { role: 'maintainer' } })
  const plan = (
    await callApi(started, 'POST', `/api/v1/views/${base}/plans`, { body: { releases: [app2] }, token })
  ).body?.['plan']
  t.match(await make(base, { name: 'anything', plan }, token), { status: 403, differences: '' })
  t.match(await make(base, { name: `${base}.mine`, plan }, token), { status: 201 })
  t.match(await callApi(started, 'DELETE', `/api/v1/views/${base}.mine`, { token }), { status: 204 })
})

test('an expired plan has no preview', async (t) => {
  const { base, plan } = await previewed([[app1]], { releases: [app2] })
  started.setClock(started.depot.now() + 3_600_000)
  t.match(await make(base, { name: 'late', plan }), {
    status: 409,
    differences: '',
    body: { code: 'conflict' },
  })
})

test('a view has at most ten previews', async (t) => {
  const { base, plan } = await previewed([[app1]], { releases: [app2] })
  for (let number = 2; number <= 10; number += 1)
    t.match(await make(base, { name: `${base}.${number}`, plan }), { status: 201 })
  t.match(await make(base, { name: `${base}.11`, plan }), {
    status: 409,
    differences: '',
    body: { code: 'conflict' },
  })
})

/**
 * Adds copies of the package `acme/NAME` with its only release to all views that have it. Writes the rows
 * directly, which is quick.
 */
function copyPackage(databaseFile: string, name: string, copies: number): void {
  const db = new BetterSqlite3(databaseFile)
  const copy = (table: string, changed: Readonly<Record<string, string>>, where: string) => {
    const columns = db.prepare<[], string>(`SELECT name FROM pragma_table_info('${table}')`).pluck().all()
    const values = columns.map((column) => changed[column] ?? `${table}.${column}`).join()
    db.exec(`WITH RECURSIVE copies (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copies WHERE n < ${copies})
      INSERT INTO ${table} (${columns.join()}) SELECT ${values} FROM ${table}, copies WHERE ${where}`)
  }
  const [from, release, copied] = [`acme/${name}`, `acme/${name}/1/${STAMP}`, `'acme/${name}-' || copies.n`]
  const ids = { package_id: '1000 + copies.n', release_id: '1000 + copies.n' }
  const ofRelease = `release_id = (SELECT id FROM releases WHERE ident = '${release}')`
  db.transaction(() => {
    copy('packages', { id: ids.package_id, name: `'${name}-' || copies.n` }, `name = '${name}'`)
    const ident = `${copied} || '/1/${STAMP}'`
    const bytes = { checksum: 'checksum || copies.n' }
    copy('blobs', bytes, `checksum = (SELECT checksum FROM releases WHERE ident = '${release}')`)
    copy(
      'releases',
      { ...bytes, id: ids.release_id, package_id: ids.package_id, ident },
      `ident = '${release}'`,
    )
    copy('lines', { package: copied, package_id: ids.package_id }, `package = '${from}'`)
    for (const table of ['members', 'pointers']) copy(table, ids, ofRelease)
  })()
  db.close()
}

test('a preview that has grown beyond the limit of one change can be dropped', async (t) => {
  const own = await startDepot(t)
  const [first, next] = (await makeReleases(own, `acme/app/1/${STAMP}`, `acme/web/1/${STAMP}`)) as [
    ReleaseRow,
    ReleaseRow,
  ]
  await move(own, 'promote', 'acceptance', [first])
  const body = { releases: [next] }
  const planned = await callApi(own, 'POST', '/api/v1/views/acceptance/plans', { body })
  const plan = String(planned.body?.['plan'])
  await callApi(own, 'POST', '/api/v1/views/acceptance/previews', { body: { name: 'grown', plan } })
  copyPackage(sqliteFileOf(own.depot.config), 'app', 11_000)
  t.match(await callApi(own, 'GET', '/api/v1/views/grown'), { body: { packages: 11_002, revision: 1 } })
  t.match(await callApi(own, 'DELETE', '/api/v1/views/grown'), { status: 204 })
  const views = own.depot.db.selectFrom('views').where('name', '=', 'grown')
  t.match(await views.select('revision').executeTakeFirst(), { revision: 3 }, 'in two revisions')
  const left = views
    .innerJoin('members', 'members.view_id', 'views.id')
    .where('members.to_revision', 'is', null)
  t.strictSame(await left.select('release_id').execute(), [])

  // acme/web is beyond the first 11,000 packages of the source.
  await move(own, 'promote', 'acceptance', [next])
  await makeView(own, 'narrow', 'promoted')
  await move(own, 'promote', 'narrow', [next])
  const demotion = { body: { from: { view: 'acceptance' } } }
  t.match(
    await callApi(own, 'POST', '/api/v1/views/narrow/demotions', demotion),
    { status: 200, body: { releases: [{ ident: next.ident, change: 'removed' }] } },
    'a demotion reads all of a large source',
  )
})
