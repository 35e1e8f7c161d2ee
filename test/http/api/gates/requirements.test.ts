import tap, { test } from 'tap'
import { callApi } from '../../../support/call-api.ts'
import { gateScene, refused, STAMP } from '../../../support/views/gate-scene.ts'
import { mentions } from '../../../support/mentions.ts'
import { makeReleases, move, setVisibility } from '../../../support/release-rows.ts'
import type { ReleaseRow } from '../../../support/release-rows.ts'
import { START } from '../../../support/start-depot.ts'

const { started, app1, app2, web, stranger, viewWith, post, promote, revisionOf } = await gateScene(tap)

test('a promoted release must be in the required view', async (t) => {
  const before = await viewWith({})
  const view = await viewWith({ requires: [{ view: before }] })
  t.match(await promote(view, [app1, web]), {
    status: 409,
    body: {
      code: 'refused',
      errors: [
        { rule: 'requires', detail: mentions(app1.ident, before) },
        { rule: 'requires', detail: mentions(web.ident, before) },
      ],
    },
  })
  t.equal(await revisionOf(view), 0)
  await move(started, 'promote', before, [app1, web])
  t.match(await promote(view, [app1, web]), { status: 200, differences: '' })
})

test('a requirement may need latest of a view and not only membership', async (t) => {
  const before = await viewWith({})
  const view = await viewWith({ requires: [{ view: before, as: 'current' }] })
  for (const release of [app1, app2]) await move(started, 'promote', before, [release])
  t.match(await promote(view, [app1]), refused('requires', app1.ident, before))
  t.match(await promote(view, [app2]), { status: 200 })
})

test('a release soaks without interruption, and joining again does not interrupt', async (t) => {
  const before = await viewWith({})
  const view = await viewWith({ requires: [{ view: before, soak_seconds: 3_600 }] })
  started.setClock(START + 10_000_000)
  await move(started, 'promote', before, [app2])
  started.setClock(START + 10_000_000 + 3_000_000)
  t.match(
    await promote(view, [app2]),
    refused('requires', app2.ident, before, '2026-01-01T02:46:40', '2026-01-01T03:46:40'),
  )
  await move(started, 'promote', before, [app1, app2]) // app2 joins again
  started.setClock(START + 10_000_000 + 3_700_000)
  t.match(await promote(view, [app1]), { status: 409 })
  t.match(await promote(view, [app2]), { status: 200 })
  await move(started, 'demote', before, [app1])
  await move(started, 'promote', before, [app1])
  started.setClock(START + 10_000_000 + 7_000_000)
  t.match(await promote(view, [app1]), { status: 409 }, 'it left in between')
})

test('setting the clock back does not add soak time', async (t) => {
  const before = await viewWith({})
  const view = await viewWith({ requires: [{ view: before, soak_seconds: 60 }] })
  await move(started, 'promote', before, [app1])
  started.setClock(START)
  t.match(await promote(view, [app1]), { status: 409 })
})

/** Records a change with releases, and returns a function that reports its phases. */
async function changeWith(
  change: string,
  ...releases: readonly ReleaseRow[]
): Promise<{
  id: string
  report: (phase: string, view: string | undefined, status: string) => Promise<void>
}> {
  const recorded = { project: 'acme/app', change, commit: change }
  const { body } = await callApi(started, 'POST', '/api/v1/changes', { body: recorded })
  const id = String(body?.['id'])
  const send = async (what: string, fields: object) => {
    const answer = await callApi(started, 'POST', `/api/v1/changes/${id}/${what}`, { body: fields })
    if (answer.status > 201) throw new Error(answer.text)
  }
  for (const { ident: release } of releases) await send('releases', { release, rebuild: true })
  return { id, report: (phase, view, status) => send('phases', { phase, view, status }) }
}

test('a promoted release must belong to a change whose phases passed in the required view', async (t) => {
  const before = await viewWith({})
  const view = await viewWith({
    requires: [{ view: before, phases: ['smoke', 'unit'] }],
    overriders: ['ci'],
  })
  const needs = (...names: readonly string[]) => refused('requires', app1.ident, ...names)
  await move(started, 'promote', before, [app1, web])
  t.match(await promote(view, [app1]), needs('no change', 'smoke, unit', before))

  const { report } = await changeWith('c1', app1, web)
  t.match(await promote(view, [app1]), needs('c1', 'acme/app', `smoke in ${before} was not reported`))
  await report('smoke', 'acceptance', 'passed')
  t.match(await promote(view, [app1]), needs(`smoke in ${before} was not reported`))
  for (const [status, words] of [
    ['running', 'is running'],
    ['failed', 'failed'],
    ['skipped', 'was skipped'],
    ['not_configured', 'is not configured'],
  ] as const) {
    await report('smoke', before, status)
    t.match(await promote(view, [app1]), needs(`smoke in ${before} ${words}, unit was not reported`))
  }
  await report('smoke', before, 'passed')
  const planned = await post(view, 'plans', { releases: [app1] })
  t.match(planned.body, { blocked: [{ rule: 'requires', detail: mentions(app1.ident, 'c1', 'unit') }] })
  t.match(await promote(view, [web], { override: { reason: 'it burns' } }), {
    status: 200,
    body: { overridden: [mentions(web.ident, 'unit')] },
  })
  await report('unit', undefined, 'passed')
  t.match(await promote(view, [app1]), { status: 200, differences: '' })
  await report('unit', undefined, 'failed')
  t.match(await post(view, 'rollbacks', { to: 1 }), { status: 200 }, 'undo restores what was allowed')
  t.match(await promote(view, [app1]), { status: 409 })
})

test('a phase passes for exactly the releases that the change had then', async (t) => {
  const before = await viewWith({})
  const view = await viewWith({ requires: [{ view: before, phases: ['smoke'] }] })
  const [first, rebuilt] = (await makeReleases(
    started,
    `acme/rebuilt/1.0/${STAMP}`,
    'acme/rebuilt/1.0/20260102000000',
  )) as [ReleaseRow, ReleaseRow]
  await move(started, 'promote', before, [first, rebuilt])
  const { id, report } = await changeWith('c2', first)
  await report('smoke', before, 'passed')
  await callApi(started, 'POST', `/api/v1/changes/${id}/releases`, {
    body: { release: rebuilt.ident, rebuild: true },
  })
  t.match(
    await promote(view, [rebuilt]),
    refused('requires', rebuilt.ident, `smoke in ${before} was reported for other builds`),
  )
  t.match(await promote(view, [first]), { status: 200 }, 'this one was tested')
  await report('smoke', before, 'passed')
  t.match(await promote(view, [rebuilt]), { status: 200 })
  t.match(
    await promote(view, [first]),
    refused('requires', first.ident, 'was reported for other builds'),
    'the report is about the rebuild',
  )
})

test('phases of the sources may have passed before the release was built, and publish may not', async (t) => {
  const before = await viewWith({})
  const view = await viewWith({ requires: [{ view: before, phases: ['unit', 'publish'] }] })
  const [built] = (await makeReleases(started, `acme/built/1.0/${STAMP}`)) as [ReleaseRow]
  await move(started, 'promote', before, [built])
  const { id, report } = await changeWith('c5')
  for (const phase of ['unit', 'publish']) await report(phase, undefined, 'passed')
  await callApi(started, 'POST', `/api/v1/changes/${id}/releases`, { body: { release: built.ident } })
  t.match(await promote(view, [built]), refused('requires', 'of which publish was reported for other builds'))
  await report('publish', undefined, 'passed')
  t.match(await promote(view, [built]), { status: 200 })
})

test('of several changes of a release, one that passed is enough', async (t) => {
  const before = await viewWith({})
  const view = await viewWith({ requires: [{ view: before, phases: ['functional'] }] })
  const [shared] = (await makeReleases(started, `acme/shared/1.0/${STAMP}`)) as [ReleaseRow]
  await move(started, 'promote', before, [shared])
  const { report } = await changeWith('c3', shared)
  await changeWith('c4', shared)
  t.match(await promote(view, [shared]), refused('requires', 'c4'), 'the newest is named')
  await report('functional', before, 'passed')
  t.match(await promote(view, [shared]), { status: 200 })
})

test('a refusal does not name a change of which one release is hidden from the caller', async (t) => {
  const before = await viewWith({})
  const view = await viewWith({ requires: [{ view: before, phases: ['smoke'] }], promoters: ['stranger'] })
  const [shown, secret] = (await makeReleases(
    started,
    `acme/shown/1.0/${STAMP}`,
    `acme/zebra/1.0/${STAMP}`,
  )) as [ReleaseRow, ReleaseRow]
  await setVisibility(started, secret.ident, 'private')
  await move(started, 'promote', before, [shown])
  await changeWith('the-secret-change', shown, secret)
  const answer = await promote(view, [shown], {}, stranger)
  t.match(answer, { status: 409, body: { errors: [{ rule: 'requires' }] } })
  t.notMatch(answer.text, /secret|zebra/)
})
