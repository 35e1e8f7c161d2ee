import { test } from 'tap'
import { ask } from '../../support/ask.ts'
import { bearer, makeOrigin, promoteTo, publishAll, upload } from '../../support/origin.ts'
import { makeReleases, makeView, setVisibility } from '../../support/release-rows.ts'
import { startDepot } from '../../support/start-depot.ts'
import type { TestDepot } from '../../support/start-depot.ts'

// To callers who may not see a package, it looks absent (habitat-today.md 3.1, 3.9 and 6, Packages).

const IDENT = 'acme/app/1.0.0/20260101120000'
const ACTOR = { client: 'tests', door: 'cli' } as const

async function patch(
  { url }: TestDepot,
  ident: string,
  visibility: string,
  headers: Record<string, string> = bearer(),
) {
  return ask(`${url}/v1/depot/pkgs/${ident}/${visibility}`, {
    method: 'PATCH',
    headers: { ...headers, 'content-type': 'application/json' },
  })
}

/** Every read of a package, with the part of the answer that names the package. */
const reads = (name: string) => [
  `pkgs/acme/${name}`,
  `pkgs/acme/${name}?distinct=true`,
  `pkgs/acme/${name}/1.0.0`,
  `pkgs/acme/${name}/versions`,
  `pkgs/acme/${name}/latest`,
  `pkgs/acme/${name}/1.0.0/latest`,
  `pkgs/acme/${name}/1.0.0/20260101120000`,
  `pkgs/acme/${name}/1.0.0/20260101120000?target=x86_64-linux`,
  `pkgs/acme/${name}/1.0.0/20260101120000/channels`,
  `pkgs/acme/${name}/1.0.0/20260101120000/download`,
  `pkgs/search/${name}`,
  `pkgs/search/${name}?distinct=true`,
  `channels/acme/acceptance/pkgs`,
  `channels/acme/acceptance/pkgs/${name}`,
  `channels/acme/acceptance/pkgs/_latest?target=x86_64-linux`,
  `channels/acme/acceptance/pkgs/${name}/latest`,
  `channels/acme/unstable/pkgs/${name}/1.0.0/latest`,
  `channels/acme/unstable/pkgs/${name}/1.0.0/20260101120000`,
  `channels/acme`,
  `views/unstable/pkgs/acme/${name}`,
  `views/unstable/pkgs/acme/${name}/latest`,
  `views/unstable/pkgs/acme/${name}/1.0.0/20260101120000`,
  `events?from_date=2026-01-01&to_date=2026-01-02`,
  `events?from_date=2026-01-01&to_date=2026-01-02&query=${name}`,
]

test('a private package looks absent to callers who may not see it', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  const stranger = await started.account('stranger')
  const member = await started.account('member')
  await started.depot.writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account: 'member', role: 'readonly_member' },
    actor: ACTOR,
  })
  const [hart] = await publishAll(started, IDENT)
  if (hart !== undefined) await promoteTo(started, 'acceptance', hart)
  const told = async (path: string, headers: Record<string, string>) => {
    const { status, headers: given, text } = await ask(`${started.url}/v1/depot/${path}`, { headers })
    const { date: _, ...others } = given
    return { status, headers: others, text }
  }
  t.match(await patch(started, IDENT, 'private'), { status: 200, text: '' })
  for (const [index, path] of reads('app').entries()) {
    const absent = await told(reads('ghost')[index] ?? '', {})
    for (const headers of [{}, bearer(stranger)]) t.strictSame(await told(path, headers), absent, path)
    // A search for packages finds only those of the caller's own origins.
    t.notSame(
      (await told(path, path.startsWith('pkgs/search') ? bearer() : bearer(member))).text,
      absent.text,
      `${path}, to a member`,
    )
    t.strictSame(await told(path, {}), absent, `${path}, after a member has asked`)
  }
  t.match(await patch(started, IDENT, 'public'), { status: 200, text: '' })
  for (const path of reads('app'))
    t.match(await told(path, {}), { status: 200, text: /app|acceptance/ }, path)
})

test('visibility applies to every target of an ident', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  await publishAll(started, IDENT, { ident: IDENT, target: 'x86_64-windows' })
  await patch(started, IDENT, 'private')
  for (const target of ['x86_64-linux', 'x86_64-windows'])
    t.equal((await ask(`${started.url}/v1/depot/pkgs/acme/app/latest?target=${target}`)).status, 404, target)
  const entries = await started.depot.db
    .selectFrom('ledger')
    .select('text')
    .where('kind', '=', 'visibility-set')
    .execute()
  t.match(
    entries.map(({ text }) => JSON.parse(text) as unknown),
    [{ ident: IDENT, visibility: 'private', targets: ['x86_64-linux', 'x86_64-windows'] }],
  )
  await patch(started, IDENT, 'private')
  t.equal(
    (
      await started.depot.db
        .selectFrom('ledger')
        .select('text')
        .where('kind', '=', 'visibility-set')
        .execute()
    ).length,
    1,
    'once',
  )
})

test('hidden cannot be set by clients, and rights are checked first', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  await publishAll(started, IDENT)
  const member = await started.account('member')
  await started.depot.writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account: 'member', role: 'member' },
    actor: ACTOR,
  })
  for (const visibility of ['hidden', 'secret', 'PUBLIC'])
    t.match(await patch(started, IDENT, visibility), { status: 422, text: '' }, visibility)
  for (const visibility of ['public', 'hidden']) {
    t.match(await patch(started, IDENT, visibility, {}), { status: 401, text: '' })
    t.match(await patch(started, IDENT, visibility, bearer(member)), { status: 403, text: '' })
  }
  t.match(await patch(started, 'acme/app/9.9.9/20260101120000', 'private'), { status: 404, text: '' })
})

test('a hidden release is not listed, and can be downloaded by its ident', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  const [hart] = await publishAll(started, IDENT)
  await setVisibility(started, IDENT, 'hidden')
  for (const path of reads('app').filter(
    (read) => !read.endsWith('/download') && !/^(events|channels\/acme)/.test(read),
  )) {
    const { status, text } = await ask(`${started.url}/v1/depot/${path}`)
    t.ok(status === 404 || !text.includes('20260101120000'), path)
  }
  const download = await ask(`${started.url}/v1/depot/pkgs/${IDENT}/download`)
  t.equal(download.status, 200)
  t.ok(hart && download.body.equals(hart.bytes))
  t.match(download.headers['cache-control'], /max-age=300$/)
})

test("a forced upload of the same bytes resets the visibility to the package's settings", async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  const [hart] = await publishAll(started, IDENT)
  await started.depot.writer.submit({
    kind: 'changeSettings',
    input: { origin: 'acme', name: 'app', visibility: 'private' },
    actor: ACTOR,
  })
  t.equal((await ask(`${started.url}/v1/depot/pkgs/${IDENT}`)).status, 200)
  t.equal(hart && (await upload(started, hart, { query: { forced: 'true' } })).status, 201)
  t.equal((await ask(`${started.url}/v1/depot/pkgs/${IDENT}`)).status, 404)
})

test('a token that may promote but not read can move private releases', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeReleases(started, IDENT)
  await setVisibility(started, IDENT, 'private')
  const pipeline = await started.account('pipeline', { actions: ['promote'] })
  await started.depot.writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account: 'pipeline', role: 'maintainer' },
    actor: ACTOR,
  })
  await makeView(started, 'prod', 'promoted')
  const moves = [
    ['PUT', `channels/acme/acceptance/pkgs/${IDENT.slice('acme/'.length)}/promote`],
    ['PUT', `channels/acme/acceptance/pkgs/${IDENT.slice('acme/'.length)}/demote?target=x86_64-linux`],
    ['POST', `views/prod/pkgs/${IDENT}/promote`],
  ] as const
  for (const [method, path] of moves) {
    t.match(
      await ask(`${started.url}/v1/depot/${path}`, { method, headers: bearer(pipeline) }),
      { status: 200, headers: { 'depot-changed': 'true', 'depot-target': 'x86_64-linux' } },
      path,
    )
  }
})

for (const DEPOT_FAST_PATH of ['on', 'off']) {
  test(`an answer to an outsider does not hide a release from a member: fast path ${DEPOT_FAST_PATH}`, async (t) => {
    const started = await startDepot(t, { listen: true, environment: { DEPOT_FAST_PATH } })
    await makeOrigin(started)
    const [hart] = await publishAll(started, IDENT)
    if (hart !== undefined) await promoteTo(started, 'stable', hart)
    t.match(await patch(started, IDENT, 'private'), { status: 200 })
    const inChannel = `${started.url}/v1/depot/channels/acme/stable/pkgs/app/1.0.0/20260101120000?target=x86_64-linux`
    t.equal((await ask(inChannel)).status, 404)
    t.equal((await ask(inChannel, { headers: bearer() })).status, 200, 'in a channel')
    t.equal(
      (await ask(`${started.url}/v1/depot/pkgs/${IDENT}?target=x86_64-linux`, { headers: bearer() })).status,
      200,
      'wherever it is',
    )
  })
}
