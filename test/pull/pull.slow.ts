import tap, { test } from 'tap'
import { formatPublicKey } from '../../src/hart/origin-key.ts'
import { formatIdent } from '../../src/package/ident.ts'
import { ask } from '../support/ask.ts'
import { makeKeys } from '../support/build-hart.ts'
import { bytesOf, changesOf, latestIn, membersOf } from '../support/copies/import.ts'
import { keyOf } from '../support/copies/locked-releases.ts'
import { bearer, makeOrigin, promoteTo, publishAll } from '../support/origin.ts'
import { APP, LIB, NEWER, TOOL, pullFrom, startDestination, startPullSource } from '../support/copies/pull.ts'
import type { PullOptions as Options } from '../support/copies/pull.ts'
import { startProxy } from '../support/http/proxy.ts'
import { setVisibility } from '../support/release-rows.ts'
import { ADMIN_TOKEN } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'

/** A source for tests that do not change it. */
const shared = await startPullSource(tap)

interface Revision {
  readonly revision: number
  readonly reason: string
  readonly client: string
  readonly joined: readonly unknown[]
}

async function historyOf({ url }: TestDepot, view: string): Promise<Revision[]> {
  return (
    JSON.parse((await ask(`${url}/api/v1/views/${view}/history`, { headers: bearer() })).text) as {
      revisions: Revision[]
    }
  ).revisions
}

const targeted = (...idents: readonly string[]) =>
  idents.map((ident) => `${ident} for x86_64-linux`).toSorted()

test('a pull copies origins, keys, packages and dependencies, and makes one promotion with its source as reason', async (t) => {
  const { source, newer, lib, tool } = shared
  const destination = await startDestination(t, source)
  const { pulled, failures } = await pullFrom(source.url, destination)
  t.strictSame(failures, [])
  t.match(pulled, {
    origins: 2,
    keys: 2,
    releases: 3,
    bytes: newer.bytes.length + lib.bytes.length + tool.bytes.length,
    promotion: { revision: 1, changed: true },
  })
  for (const hart of [newer, lib, tool]) t.ok((await bytesOf(destination, hart)).equals(hart.bytes))
  t.strictSame(
    await membersOf(destination, 'delivered'),
    targeted(NEWER),
    'dependencies are copied and not promoted',
  )
  t.strictSame(await membersOf(destination, 'unstable'), targeted(NEWER, LIB, TOOL))
  t.match(await historyOf(destination, 'delivered'), [
    { revision: 1, reason: `pull of delivered@2 from ${source.url}`, joined: { length: 1 } },
  ])
  for (const origin of ['acme', 'tools'])
    t.equal(
      (await ask(`${destination.url}/v1/depot/origins/${origin}/keys/latest`)).text,
      formatPublicKey(makeKeys(origin).publicKey),
    )
})

test('a second pull changes nothing, and a pull of the next revision fetches only new packages', async (t) => {
  const { source } = shared
  const destination = await startDestination(t, source)
  t.match((await pullFrom(source.url, destination, { at: '1' })).pulled, {
    releases: 2,
    promotion: { revision: 1, changed: true },
  })
  t.strictSame(await latestIn(destination, 'delivered'), targeted(APP))
  const before = await changesOf(destination)
  const proxy = await startProxy(t, source.url, () => 'pass')
  t.match((await pullFrom(proxy.url, destination, { at: '1' })).pulled, {
    origins: 0,
    keys: 0,
    releases: 0,
    promotion: { revision: 1, changed: false },
  })
  t.equal(await changesOf(destination), before)
  t.strictSame(
    proxy.asked.filter((what) => what.includes('/download')),
    [],
  )

  t.match((await pullFrom(proxy.url, destination)).pulled, {
    releases: 2,
    promotion: { revision: 2, changed: true },
  })
  t.strictSame(
    proxy.asked
      .filter((what) => what.includes('/download'))
      .map((what) => what.replace(/^GET .*\/pkgs\/(.*)\/download.*$/, '$1'))
      .toSorted(),
    [NEWER, TOOL].toSorted(),
  )
  t.match(
    (await pullFrom(source.url, destination, { at: '1' })).pulled,
    { releases: 0, promotion: { revision: 3, changed: true } },
    'an older revision can be pulled again',
  )
  t.strictSame(await latestIn(destination, 'delivered'), targeted(APP))
})

test('a mirror of a mirror has the same bytes of packages and origin keys', async (t) => {
  const { source, newer, lib, tool } = await startPullSource(t, { DEPOT_PUBLIC_URL: 'https://first.example' })
  // A key file that ends with a newline, as editors write it.
  await source.depot.writer.submit({
    kind: 'createOrigin',
    input: { name: 'edited', ownerId: 1 },
    actor: { client: 'tests', door: 'cli' },
  })
  const publicBody = `${formatPublicKey(makeKeys('edited').publicKey)}\n`
  await source.depot.writer.submit({
    kind: 'addKey',
    input: { origin: 'edited', revision: '20260101000000', ownerId: 1, publicBody },
    actor: { client: 'tests', door: 'cli' },
  })
  const [edited] = await publishAll(source, 'edited/app/1.0.0/20260101120000')
  if (edited === undefined) throw new Error('there is no package')
  await source.depot.writer.submit({
    kind: 'promote',
    input: {
      view: 'delivered',
      releases: [{ ident: 'edited/app/1.0.0/20260101120000', target: edited.target }],
    },
    actor: { client: 'tests', door: 'cli' },
  })

  const second = await startDestination(t, source)
  await pullFrom(source.url, second, { into: 'acceptance' })
  const third = await startDestination(t, second)
  const { failures, pulled } = await pullFrom(second.url, third, { view: 'acceptance', into: 'union' })
  t.strictSame(failures, [])
  t.match(pulled, { origins: 3, keys: 3, releases: 4 })
  for (const hart of [newer, lib, tool, edited]) t.ok((await bytesOf(third, hart)).equals(hart.bytes))
  t.strictSame(await latestIn(third, 'union'), await latestIn(source, 'delivered'))
  t.equal((await ask(`${third.url}/v1/depot/origins/edited/keys/latest`)).text, publicBody)
})

test('--origin and --target limit a pull', async (t) => {
  const { source } = await startPullSource(t)
  const [arm] = await publishAll(source, { ident: TOOL, target: 'aarch64-linux' })
  if (arm === undefined) throw new Error('there is no package')
  await source.depot.writer.submit({
    kind: 'promote',
    input: { view: 'delivered', releases: [{ ident: TOOL, target: 'aarch64-linux' }] },
    actor: { client: 'tests', door: 'cli' },
  })
  const byOrigin = await startDestination(t, source)
  await pullFrom(source.url, byOrigin, { filter: { origin: 'tools' } })
  t.strictSame(await membersOf(byOrigin, 'unstable'), [`${TOOL} for aarch64-linux`])
  const byTarget = await startDestination(t, source)
  await pullFrom(source.url, byTarget, { filter: { target: 'x86_64-linux' } })
  t.strictSame(await latestIn(byTarget, 'delivered'), targeted(NEWER))
})

test('a pull accepts lockfiles of keys that the destination trusts or that the caller passes', async (t) => {
  const { source } = shared
  const destination = await startDestination(t)
  const before = await changesOf(destination)
  await t.rejects(pullFrom(source.url, destination), { code: 'signer_unknown' })
  await t.rejects(pullFrom(source.url, destination, { key: await keyOf(destination) }), {
    code: 'signer_unknown',
  })
  t.equal(await changesOf(destination), before + 1, 'only the key of the destination was created')
  t.match((await pullFrom(source.url, destination, { key: await keyOf(source) })).pulled, {
    releases: 3,
    promotion: { changed: true },
  })
})

test('a pull works without an administrator of the depot', async (t) => {
  const { source } = shared
  const destination = await startDestination(t, source)
  const toToken = await destination.account('ci')
  const { failures, pulled } = await pullFrom(source.url, destination, { toToken })
  t.strictSame(failures, [])
  t.match(pulled, { releases: 3, promotion: { revision: 1 } })
})

test('private packages need a token, and are never public at the destination', async (t) => {
  const { source } = await startPullSource(t)
  await setVisibility(source, LIB, 'private')
  const outside = await startDestination(t, source)
  t.match(await pullFrom(source.url, outside), {
    plan: { request: { lockfile: { absent: 1, audience: 'public' } } },
    pulled: { releases: 2 },
  })

  const destination = await startDestination(t, source)
  const token = await source.account('reader')
  await source.depot.writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account: 'reader', role: 'readonly_member' },
    actor: { client: 'tests', door: 'cli' },
  })
  const seen: number[] = []
  const proxy = await startProxy(t, destination.url, () => {
    void ask(`${destination.url}/v1/depot/pkgs/${LIB}`).then(({ status }) => seen.push(status))
    return 'pass'
  })
  const { failures, pulled } = await pullFrom(source.url, proxy, { token })
  t.strictSame(failures, [])
  t.match(pulled, { releases: 3, promotion: { changed: true } })
  t.equal((await ask(`${destination.url}/v1/depot/pkgs/${LIB}`)).status, 404)
  t.equal((await ask(`${destination.url}/v1/depot/pkgs/${LIB}`, { headers: bearer() })).status, 200)
  t.ok(seen.length > 0 && seen.every((status) => status === 404))
  t.equal((await ask(`${destination.url}/v1/depot/pkgs/${NEWER}`)).status, 200)
})

test('an exact pull demotes releases that the source lacks; it needs a whole view and a trusted key', async (t) => {
  const { source, newer } = shared
  const destination = await startDestination(t, source)
  await pullFrom(source.url, destination)
  await makeOrigin(destination, 'other')
  const [other] = await publishAll(destination, 'other/app/1.0.0/20260101120000')
  if (other === undefined) throw new Error('there is no package')
  await promoteTo(destination, 'delivered', other)
  t.match((await pullFrom(source.url, destination)).pulled, { promotion: { revision: 2, changed: false } })
  await t.rejects(pullFrom(source.url, destination, { isExact: true }), {
    message: /^exact needs a lockfile of a whole view/,
  })
  t.match((await pullFrom(source.url, destination, { isExact: true, token: ADMIN_TOKEN })).pulled, {
    promotion: { revision: 3, changed: true },
  })
  t.strictSame(await membersOf(destination, 'delivered'), targeted(formatIdent(newer.ident)))
  const distrusting = await startDestination(t)
  await t.rejects(
    pullFrom(source.url, distrusting, { isExact: true, token: ADMIN_TOKEN, key: await keyOf(source) }),
    { code: 'invalid_request' },
  )
})

test('the same lockfile can be pulled again through another URL', async (t) => {
  const { source } = shared
  const destination = await startDestination(t, source)
  await pullFrom(source.url, destination)
  t.match((await pullFrom(source.url, destination)).pulled, { promotion: { revision: 1, changed: false } })
  const elsewhere = await startProxy(t, source.url, () => 'pass')
  t.match((await pullFrom(elsewhere.url, destination)).pulled, { promotion: { revision: 1, changed: false } })
  t.match((await pullFrom(source.url, destination, { token: ADMIN_TOKEN, isExact: true })).pulled, {
    promotion: { revision: 1, changed: false },
  })
})

test('a dry run is refused for the same reasons as the pull', async (t) => {
  const { source } = shared
  const destination = await startDestination(t, source)
  const refused = async (options: Options, message: RegExp) => {
    await t.rejects(pullFrom(source.url, destination, { ...options, isDry: true }), { message })
    await t.rejects(pullFrom(source.url, destination, options), { message })
  }
  await refused({ isExact: true }, /^exact needs a lockfile of a whole view/)
  t.match(
    (await pullFrom(source.url, destination, { isDry: true })).plan,
    { missing: { length: 3 } },
    'rules are not checked while packages are missing',
  )
  for (const at of ['1', '2']) await pullFrom(source.url, destination, { at })
  t.match((await pullFrom(source.url, destination, { isDry: true })).pulled, { promotion: undefined })

  t.equal(
    (
      await ask(`${destination.url}/api/v1/views/delivered/freeze`, {
        method: 'PUT',
        headers: bearer(),
        body: '{"reason":"audit"}',
      })
    ).status,
    200,
  )
  await refused({ at: '1' }, /frozen/)
  const reader = await destination.account('other', { actions: ['read'] })
  await refused({ at: '1', toToken: reader }, /answered 403/)
})
