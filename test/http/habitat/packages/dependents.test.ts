import { test } from 'tap'
import { bearer, makeOrigin, publishAll } from '../../../support/origin.ts'
import { setVisibility } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

// habitat-today.md 3.4 and 6 (Packages).

const STAMP = '20260101120000'
const ACTOR = { client: 'tests', door: 'cli' } as const
const on = (...tdeps: string[]) => ({ deps: tdeps.slice(0, 1), tdeps })

test('dependents of a package are listed by name for a target', async (t) => {
  const started = await startDepot(t, { listen: true })
  for (const origin of ['acme', 'closed', 'core']) await makeOrigin(started, origin)
  await publishAll(
    started,
    { ident: `acme/web/1.0.0/${STAMP}`, ...on(`core/glibc/2.0/${STAMP}`) },
    { ident: `acme/web/2.0.0/${STAMP}`, ...on(`core/openssl/3.0/${STAMP}`, `core/glibc/2.1/${STAMP}`) },
    { ident: `acme/app/1.0.0/${STAMP}`, ...on(`core/glibc/2.0/${STAMP}`) },
    { ident: `acme/app-b/1.0.0/${STAMP}`, ...on(`core/glibc/2.0/${STAMP}`) },
    { ident: `acme/win/1.0.0/${STAMP}`, target: 'x86_64-windows', ...on(`core/glibc/2.0/${STAMP}`) },
    { ident: `closed/tool/1.0.0/${STAMP}`, ...on(`core/glibc/2.0/${STAMP}`) },
  )
  const tokens = { readonly_member: await started.account('reader'), member: await started.account('member') }
  for (const [account, role] of [
    ['reader', 'readonly_member'],
    ['member', 'member'],
  ] as const) {
    await started.depot.writer.submit({
      kind: 'setMember',
      input: { origin: 'closed', account, role },
      actor: ACTOR,
    })
  }
  const rdeps = async (path: string, headers: Record<string, string> = {}) => {
    const { statusCode, body } = await started.app.inject({ url: `/v1/rdeps/${path}`, headers })
    return { status: statusCode, json: body === '' ? undefined : (JSON.parse(body) as { rdeps: string[] }) }
  }
  const all = ['acme/app', 'acme/app-b', 'acme/web', 'closed/tool']
  t.strictSame(await rdeps('core/glibc'), {
    status: 200,
    json: { origin: 'core', name: 'glibc', rdeps: all },
  })
  t.strictSame((await rdeps('core/glibc?target=x86_64-windows')).json?.rdeps, ['acme/win'])
  t.strictSame((await rdeps('core/openssl')).json?.rdeps, ['acme/web'])
  for (const nothing of ['core/glib', 'core/nothing', 'nobody/glibc', 'acme/web'])
    t.match(await rdeps(nothing), { status: 200, json: { rdeps: { length: 0 } } }, nothing)
  t.match(await started.app.inject({ url: '/v1/rdeps/core/glibc?target=vax-vms' }), {
    statusCode: 422,
    body: "Invalid package target 'vax-vms'",
  })

  await started.depot.writer.submit({
    kind: 'changeOrigin',
    input: { origin: 'closed', defaultVisibility: 'private' },
    actor: ACTOR,
  })
  t.strictSame(
    (await rdeps('core/glibc')).json?.rdeps,
    all.slice(0, 3),
    'a closed origin keeps its own to itself',
  )
  t.strictSame((await rdeps('core/glibc', bearer(tokens.readonly_member))).json?.rdeps, all.slice(0, 3))
  t.strictSame((await rdeps('core/glibc', bearer(tokens.member))).json?.rdeps, all)

  await setVisibility(started, `acme/web/2.0.0/${STAMP}`, 'private')
  t.strictSame((await rdeps('core/openssl')).json?.rdeps, [], 'private dependents are left out')
  t.ok((await rdeps('core/glibc')).json?.rdeps.includes('acme/web'), 'only for public releases')
  await started.depot.writer.submit({
    kind: 'deleteRelease',
    input: { ident: `acme/web/1.0.0/${STAMP}`, target: 'x86_64-linux' },
    actor: ACTOR,
  })
  t.notOk((await rdeps('core/glibc')).json?.rdeps.includes('acme/web'))
  t.ok(
    (await rdeps('core/glibc', bearer())).json?.rdeps.includes('acme/web'),
    'the remaining release still depends on it',
  )
  await started.depot.writer.submit({
    kind: 'deleteRelease',
    input: { ident: `acme/web/2.0.0/${STAMP}`, target: 'x86_64-linux' },
    actor: ACTOR,
  })
  t.strictSame((await rdeps('core/openssl', bearer())).json?.rdeps, [])
})
