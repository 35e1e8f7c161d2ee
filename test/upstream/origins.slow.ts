import { test } from 'tap'
import { formatPublicKey } from '../../src/hart/origin-key.ts'
import { findKey } from '../../src/origins/origin-store.ts'
import { buildHart, makeKeys } from '../support/build-hart.ts'
import { bearer, makeOrigin, promoteTo, publishAll, upload } from '../support/origin.ts'
import { ask } from '../support/ask.ts'
import { runCommand } from '../support/command.ts'
import { startDepot } from '../support/start-depot.ts'
import { GLIBC, redis, startUpstream } from '../support/copies/upstream-site.ts'

const UPSTREAM = 'https://bldr.example'
const actor = { client: 'tests', door: 'cli' } as const

test('an origin of our own accepts no keys of upstream', async (t) => {
  const started = await startDepot(t)
  await makeOrigin(started, 'core')
  const { publicKey } = makeKeys('core')
  const revision = '20300101000000'
  const publicBody = formatPublicKey({ ...publicKey, revision })
  const input = { origin: 'core', revision, ownerId: 1, publicBody, isFromUpstream: true }
  await t.rejects(started.depot.writer.submit({ kind: 'addKey', input, actor }), { code: 'refused' })
  t.equal(await findKey(started.depot.db, 'core', 'public', revision), undefined)
})

test('an upstream origin accepts no uploads and no keys', async (t) => {
  const started = await startDepot(t, { listen: true })
  const { depot, url } = started
  await makeOrigin(started, 'core')
  const [before] = await publishAll(started, 'core/redis/7.0.0/20260101120000')
  const adopt = { kind: 'adoptOrigin', input: { origin: 'core', upstream: UPSTREAM }, actor } as const
  t.strictSame(await depot.writer.submit(adopt), { isChanged: true })
  t.strictSame(await depot.writer.submit(adopt), { isChanged: false })

  const hart = buildHart({ ident: 'core/redis/7.0.1/20260102120000' })
  const refused = await upload(started, hart)
  t.equal(refused.status, 403)
  t.match(refused.text, /core\/redis\/7.0.1\/20260102120000 cannot be added here/)
  const byFile = await ask(`${url}/api/v1/releases`, { method: 'POST', headers: bearer(), body: hart.bytes })
  t.match(JSON.parse(byFile.text), { status: 403, code: 'origin_from_upstream' })
  const { publicKey } = makeKeys('core')
  const key = await ask(`${url}/v1/depot/origins/core/keys/20300101000000`, {
    method: 'POST',
    headers: bearer(),
    body: Buffer.from(formatPublicKey({ ...publicKey, revision: '20300101000000' })),
  })
  t.equal(key.status, 403)
  const pair = await ask(`${url}/v1/depot/origins/core/keys`, { method: 'POST', headers: bearer() })
  t.equal(pair.status, 403)
  await t.rejects(depot.writer.submit({ kind: 'deleteOrigin', input: { origin: 'core' }, actor }), {
    code: 'origin_from_upstream',
  })
  t.match(JSON.parse((await ask(`${url}/api/v1/origins/core`)).text), { is_upstream: true })
  t.ok(before, 'what was there stays')

  t.strictSame(await depot.writer.submit({ kind: 'disownOrigin', input: { origin: 'core' }, actor }), {
    isChanged: true,
  })
  t.equal((await upload(started, hart)).status, 201)
})

test('below the URL of a view, an upstream origin answers from its channel unless the view has the package', async (t) => {
  const started = await startDepot(t, { listen: true })
  const { depot, url } = started
  await makeOrigin(started, 'core')
  const [older, newer] = await publishAll(
    started,
    'core/redis/7.0.0/20260101120000',
    'core/redis/7.0.1/20260102120000',
  )
  if (older === undefined || newer === undefined) throw new Error('there are two')
  await promoteTo(started, 'stable', newer)
  const latest = async (place: string) => {
    const answer = await ask(`${url}/v1/depot/views/${place}/redis/latest?target=${older.target}`)
    return answer.status === 200
      ? (JSON.parse(answer.text) as { ident: { version: string } }).ident.version
      : answer.status
  }
  t.equal(await latest('union/pkgs/core'), 404, 'a view governs other origins')
  await depot.writer.submit({
    kind: 'adoptOrigin',
    input: { origin: 'core', upstream: UPSTREAM },
    actor,
  })
  t.equal(await latest('union/pkgs/core'), '7.0.1', 'stable answers if no channel is named')
  t.equal(await latest('union/channels/core/unstable/pkgs'), '7.0.1')
  t.equal(await latest('union/channels/core/dev/pkgs'), 404)
  await promoteTo(started, 'union', older)
  t.equal(await latest('union/pkgs/core'), '7.0.0')
  t.equal(await latest('union/channels/core/unstable/pkgs'), '7.0.0')
  t.equal(await latest('union@1/pkgs/core'), '7.0.0')
})

test('adopting an origin shows what differs upstream, and disowning it ends that', async (t) => {
  const { started: upstream } = await startUpstream(t)
  const site = await startDepot(t, { listen: true, hasThreads: true })
  await makeOrigin(site, 'core')
  const other = buildHart({ ident: GLIBC, config: 'changed = true' })
  await makeOrigin(site, 'acme')
  for (const hart of [redis, other, buildHart({ ident: 'core/mine/1.0.0/20260101120000' })])
    t.equal((await upload(site, hart)).status, 201)
  await site.close()
  const run = async (...args: string[]) =>
    runCommand(args, {
      env: {
        DEPOT_DATA: site.folder,
        DEPOT_UPSTREAM: upstream.url,
        DEPOT_UPSTREAM_ORIGINS: 'core',
      },
    })
  const shown = await run('upstream', 'adopt', 'core', '--dry-run', '--json')
  t.match(JSON.parse(shown.stdout), {
    same_releases: 1,
    differing_releases: [`${GLIBC} x86_64-linux`],
    releases_only_here: ['core/mine/1.0.0/20260101120000 x86_64-linux'],
    differing_keys: [],
    keys_only_here: [],
    adopted: false,
  })
  const adopted = await run('upstream', 'adopt', 'core')
  t.match(adopted, { code: 0, stdout: /with other bytes; those here stay: 1\n.*core comes from http/s })
  t.match(await run('upstream', 'adopt', 'core', '--dry-run'), { stdout: /core comes from \S+ already\n$/ })
  t.match(await run('upstream', 'adopt', 'absent'), { code: 5 })
  t.match(await run('upstream', 'adopt', 'acme'), {
    code: 1,
    stderr: /DEPOT_UPSTREAM_ORIGINS does not list acme/,
  })
  t.match(await run('upstream', 'disown', 'core'), {
    code: 0,
    stderr: /remove core from DEPOT_UPSTREAM_ORIGINS/,
  })
})
