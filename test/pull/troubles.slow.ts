import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { generateDepotKey } from '../../src/lockfiles/depot-key.ts'
import { readLockfile, signLockfile } from '../../src/lockfiles/signed-lockfile.ts'
import type { Lockfile } from '../../src/lockfiles/lockfile.ts'
import { formatPublicKey } from '../../src/hart/origin-key.ts'
import { getViewRevision } from '../../src/remote/destination.ts'
import { RemoteDepot } from '../../src/remote/remote-depot.ts'
import { ask } from '../support/ask.ts'
import { buildHart, makeKeys } from '../support/build-hart.ts'
import { bytesOf, changesOf, latestIn, membersOf } from '../support/copies/import.ts'
import { freePort } from '../support/free-port.ts'
import { keyOf } from '../support/copies/locked-releases.ts'
import { bearer, makeOrigin, publishAll } from '../support/origin.ts'
import {
  LIB,
  NEWER,
  TOOL,
  pullFrom,
  startDestination,
  startPullSource,
  trust,
} from '../support/copies/pull.ts'
import { startProxy } from '../support/http/proxy.ts'
import { move } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'

const { source, newer, lib } = await startPullSource(tap)
const lockfileText = (await ask(`${source.url}/api/v1/views/delivered/lockfile`)).text
const signer = generateDepotKey()

/** Starts a proxy of the source that answers with this lockfile. */
const answering = (t: Parameters<typeof startProxy>[0], text: string) =>
  startProxy(t, source.url, (what) => (what.includes('/lockfile') ? { status: 200, body: text } : 'pass'))

const pause = async () => undefined

/** Returns the source's lockfile with changes, signed by a key that the destination may trust. */
async function alteredLockfile(change: (lockfile: Lockfile) => Partial<Lockfile>): Promise<string> {
  const lockfile = readLockfile(lockfileText, [await keyOf(source)])
  return signLockfile({ ...lockfile, ...change(lockfile) }, signer.secretKey)
}

test('a forged, truncated or malformed lockfile is refused before any other request', async (t) => {
  const destination = await startDestination(t, source)
  await ask(`${destination.url}/api/v1/depot/keys/current`)
  const before = await changesOf(destination)
  for (const [text, code] of [
    [lockfileText.replace(newer.checksum, lib.checksum), 'signature_invalid'],
    [lockfileText.replace(/^acme\/lib.*\n/m, ''), 'signature_invalid'],
    [lockfileText.replace(/signature (\S+) ../, 'signature $1 AA'), 'signature_invalid'],
    [lockfileText.slice(0, -100), 'lockfile_malformed'],
    [lockfileText.slice(0, 300), 'lockfile_malformed'],
    ['<html>', 'lockfile_malformed'],
    ['', 'lockfile_malformed'],
    [await alteredLockfile(() => ({})), 'signer_unknown'],
  ] as const) {
    const forger = await answering(t, text)
    await t.rejects(pullFrom(forger.url, destination), { code }, text.slice(0, 40))
    t.strictSame(
      forger.asked.filter((what) => !what.includes('/lockfile')),
      [],
    )
  }
  t.equal(await changesOf(destination), before)
})

test('malformed idents are refused, even in a lockfile with a trusted signature', async (t) => {
  const destination = await startDestination(t)
  await trust(destination, signer.publicKey)
  for (const ident of [
    '../../etc/passwd',
    'acme/../x/1',
    'acme/app/../../x',
    'acme/app/1.0.0',
    'acme/app/1.0.0/1?x=',
    'acme\\app/x/1/2',
    '/acme/app/1.0.0',
    'acme/app/./1',
  ]) {
    const altered = await answering(
      t,
      await alteredLockfile(({ releases }) => ({
        releases: releases.map((release) => ({ ...release, ident })).slice(0, 1),
      })),
    )
    await t.rejects(pullFrom(altered.url, destination), { code: 'lockfile_malformed' }, ident)
  }
})

test('a lockfile of another view, revision or filter than requested is refused', async (t) => {
  const destination = await startDestination(t, source)
  const stale = await answering(t, lockfileText)
  for (const asked of [{ view: 'stable' }, { at: '1' }, { filter: { origin: 'acme' } }]) {
    await t.rejects(pullFrom(stale.url, destination, asked), {
      code: 'conflict',
      message: /with the lockfile of delivered@2/,
    })
  }
  await t.rejects(
    pullFrom(source.url, destination, { view: 'nowhere' }),
    /answered 404: there is no view "nowhere"$/,
  )
  await t.rejects(
    pullFrom(source.url, destination, { view: 'delivred' }),
    /answered 404: there is no view "delivred"; did you mean delivered\?$/,
  )
  await t.rejects(
    pullFrom(source.url, destination, { at: '99' }),
    /answered 404: .*there is no revision 99 yet/,
  )
})

test('if a package is missing or wrong, the others are copied, nothing is promoted, and the next pull fetches the rest', async (t) => {
  const destination = await startDestination(t, source)
  const larger = buildHart({ ident: LIB, config: 'x'.repeat(5_000) })
  const broken = await startProxy(t, source.url, (what) => {
    if (what.includes(`${NEWER}/download`)) return { status: 404 }
    return what.includes(`${LIB}/download`) ? { status: 200, body: larger.bytes.toString('latin1') } : 'pass'
  })
  const { pulled, failures } = await pullFrom(broken.url, destination)
  t.match(failures, [
    new RegExp(`^${NEWER} for x86_64-linux: GET .*/download\\?target=x86_64-linux answered 404$`),
    new RegExp(`^${LIB} for x86_64-linux: the package is refused: `),
  ])
  t.match(pulled, { releases: 1, failures: 2, promotion: undefined })
  t.strictSame(await membersOf(destination, 'unstable'), [`${TOOL} for x86_64-linux`])
  t.strictSame(await latestIn(destination, 'delivered'), [])
  t.match((await pullFrom(source.url, destination)).pulled, {
    origins: 0,
    keys: 0,
    releases: 2,
    promotion: { revision: 1, changed: true },
  })
})

test('packages damaged at the source are refused', async (t) => {
  const damaged = await startPullSource(t)
  const { checksum, bytes } = damaged.newer
  await writeFile(
    join(damaged.source.folder, 'blobs', checksum.slice(0, 2), checksum),
    Buffer.concat([bytes.subarray(0, -1), Buffer.from('?')]),
  )
  const destination = await startDestination(t, damaged.source)
  const { failures, pulled } = await pullFrom(damaged.source.url, destination)
  t.match(failures, [
    new RegExp(`^${NEWER} for x86_64-linux: the package is refused: its checksum should be ${checksum}`),
  ])
  t.match(pulled, { promotion: undefined })
})

test('if the destination has a release with other bytes, it stays and nothing is promoted', async (t) => {
  const destination = await startDestination(t, source)
  await makeOrigin(destination)
  const [other] = await publishAll(destination, { ident: LIB, config: 'port = 1\n' })
  const { failures, pulled } = await pullFrom(source.url, destination)
  t.match(failures, [
    new RegExp(
      `^${LIB} for x86_64-linux: the destination has other bytes: .* ${other?.checksum}, .* ${lib.checksum}$`,
    ),
  ])
  t.match(pulled, { failures: 1, promotion: undefined })
  if (other !== undefined) t.ok((await bytesOf(destination, other)).equals(other.bytes))
  t.strictSame(await latestIn(destination, 'delivered'), [])
})

test('if the destination has another key of the same name, nothing of that origin is uploaded', async (t) => {
  const destination = await startDestination(t, source)
  const actor = { client: 'tests', door: 'cli' } as const
  await destination.depot.writer.submit({ kind: 'createOrigin', input: { name: 'tools', ownerId: 1 }, actor })
  const publicBody = formatPublicKey({ ...makeKeys('acme').publicKey, origin: 'tools' })
  await destination.depot.writer.submit({
    kind: 'addKey',
    input: { origin: 'tools', revision: '20260101000000', ownerId: 1, publicBody },
    actor,
  })
  const { failures, pulled } = await pullFrom(source.url, destination)
  t.strictSame(failures, ['the origin tools: the destination has another key named tools-20260101000000'])
  t.match(pulled, { releases: 2, promotion: undefined })
})

test('a package with a right checksum is refused if the lockfile lacks the key of its signer', async (t) => {
  const destination = await startDestination(t)
  await trust(destination, signer.publicKey)
  const altered = await answering(t, await alteredLockfile(() => ({ originKeys: [] })))
  const { failures, pulled } = await pullFrom(altered.url, destination)
  t.match(
    failures,
    [NEWER, LIB, TOOL].map(
      (ident) => new RegExp(`^${ident} for x86_64-linux: the package is refused: the source has no key `),
    ),
  )
  t.match(pulled, { releases: 0, promotion: undefined })
})

test('a pull fails if the token may not create origins or promote', async (t) => {
  const strict = await startDepot(t, { listen: true, environment: { DEPOT_ORIGIN_CREATORS: 'admin' } })
  await trust(strict, await keyOf(source))
  const toToken = await strict.account('ada')
  const { failures, pulled } = await pullFrom(source.url, strict, { toToken })
  t.match(failures, [
    /^the origin acme: POST .* answered 403: ada may not create origins$/,
    /^the origin tools: /,
  ])
  t.match(pulled, { releases: 0, promotion: undefined })

  const destination = await startDestination(t, source)
  const uploader = await destination.account('bob', { actions: ['read', 'upload', 'manage'] })
  await t.rejects(
    pullFrom(source.url, destination, { toToken: uploader }),
    /\/views\/delivered\/promotions answered 403: this token may not promote/,
  )
  t.match(
    (await pullFrom(source.url, destination)).pulled,
    { releases: 0, promotion: { revision: 1 } },
    'uploaded packages are kept',
  )
  await t.rejects(pullFrom(source.url, destination, { toToken: 'hart_wrong' }), /answered 401/)
})

test('a pull fails if the view is absent or changes meanwhile, and keeps the packages it uploaded', async (t) => {
  const destination = await startDestination(t, source)
  await t.rejects(pullFrom(source.url, destination, { into: 'nowhere' }), /has no view nowhere: /)
  await t.rejects(
    pullFrom(source.url, destination, { into: 'deliverd' }),
    /has no view deliverd; did you mean delivered\?$/,
  )
  await makeOrigin(destination, 'other')
  const [other] = await publishAll(destination, 'other/app/1.0.0/20260101120000')
  if (other === undefined) throw new Error('there is no package')
  let isMoved = false
  const slow = await startProxy(t, source.url, (what) => {
    if (what.includes('/download') && !isMoved) {
      isMoved = true
      void move(destination, 'promote', 'delivered', [
        { ident: 'other/app/1.0.0/20260101120000', target: other.target },
      ])
    }
    return 'pass'
  })
  await t.rejects(pullFrom(slow.url, destination), /answered 412: delivered is at revision 1, not 0/)
  t.match((await pullFrom(source.url, destination)).pulled, {
    releases: 0,
    promotion: { revision: 2, changed: true },
  })
})

const onceLost = (what: string, nth: number) =>
  nth === 1 && !what.includes('whoami') ? 'cut-within' : 'pass'

test('retries after lost answers of both depots make no second revision', async (t) => {
  const destination = await startDestination(t, source)
  const from = await startProxy(t, source.url, onceLost)
  const to = await startProxy(t, destination.url, onceLost)
  const { failures, pulled } = await pullFrom(from.url, to)
  t.strictSame(failures, [])
  t.match(pulled, { releases: 3, promotion: { revision: 1, changed: true } })
  t.equal(
    (
      JSON.parse((await ask(`${destination.url}/api/v1/views/delivered`, { headers: bearer() })).text) as {
        revision: number
      }
    ).revision,
    1,
  )
})

test('errors name an unreachable depot and an unexpected answer', async (t) => {
  const url = `http://127.0.0.1:${await freePort()}`
  await t.rejects(getViewRevision(new RemoteDepot({ url, token: undefined, pause }), 'union'), {
    message: `GET ${url}/api/v1/views/union got no answer: nothing listens there`,
  })
  await t.rejects(
    getViewRevision(new RemoteDepot({ url: 'http://127.0.0.1:9', token: undefined, pause }), 'union'),
    { message: /got no answer: Node allows no HTTP connections to this port$/ },
  )
  const other = await startProxy(t, source.url, () => ({
    status: 200,
    body: '{"revision":"one","closed_at":null}',
  }))
  await t.rejects(getViewRevision(new RemoteDepot({ url: other.url, token: undefined, pause }), 'union'), {
    message: `GET ${other.url}/api/v1/views/union returned an unexpected answer: revision must be a number`,
  })
})
