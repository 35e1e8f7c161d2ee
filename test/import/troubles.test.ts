import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { formatPublicKey } from '../../src/hart/origin-key.ts'
import { ask } from '../support/ask.ts'
import { makeKeys } from '../support/build-hart.ts'
import type { BuiltHart } from '../support/build-hart.ts'
import { bytesOf, changesOf, importInto, membersOf } from '../support/import.ts'
import { APP, LIB, NEWER, startSource } from '../support/import-source.ts'
import { publishAll } from '../support/origin.ts'
import { startProxy } from '../support/proxy.ts'
import { startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'

test('a package whose bytes were damaged at the source is refused and told of, and the others are copied', async (t) => {
  const { source, harts } = await startSource(t)
  const [app, arm] = harts
  if (app === undefined || arm === undefined) throw new Error('there are no packages')
  await writeFile(blobOf(source, app), Buffer.concat([app.bytes.subarray(0, -1), Buffer.from('?')]))
  await writeFile(blobOf(source, arm), Buffer.alloc(arm.bytes.length, 'not a hart file')) // of its size: another one would not be sent
  const destination = await startDepot(t, { listen: true })
  const { copied, failures } = await importInto(destination, source.url)
  t.match(failures, [
    new RegExp(`^${APP} for aarch64-linux: not a hart file: `),
    new RegExp(
      `^${APP} for x86_64-linux: the package is refused: its checksum should be ${app.checksum}, and that of the bytes received is `,
    ),
  ])
  t.match(copied, { releases: 2 })
  t.strictSame(await membersOf(destination, 'unstable'), [
    `${NEWER} for x86_64-linux`,
    `${LIB} for aarch64-linux`,
  ])
  t.strictSame(
    await membersOf(destination, 'acceptance'),
    [`${NEWER} for x86_64-linux`],
    'what was refused is promoted nowhere',
  )
})

test('a package is refused that its signer did not sign, though the checksum is right', async (t) => {
  const source = await startDepot(t, { listen: true, environment: { DEPOT_SIGNATURES: 'verify' } })
  await source.depot.writer.submit({
    kind: 'createOrigin',
    input: { name: 'acme', ownerId: 1 },
    actor: { client: 'tests', door: 'cli' },
  })
  await publishAll(
    source,
    { ident: APP, flaws: ['signed-by-another'] },
    { ident: LIB, keys: makeKeys('acme', '20250101000000') },
  )
  const publicBody = formatPublicKey(makeKeys('acme').publicKey)
  await source.depot.writer.submit({
    kind: 'addKey',
    input: { origin: 'acme', revision: '20260101000000', ownerId: 1, publicBody },
    actor: { client: 'tests', door: 'cli' },
  })
  const proxy = await startProxy(t, source.url, () => 'pass')
  const destination = await startDepot(t, { listen: true })
  const { failures } = await importInto(destination, proxy.url)
  t.strictSame(failures, [
    `${APP} for x86_64-linux: the package is refused: its signature was not made by acme-20260101000000`,
    `${LIB} for x86_64-linux: the package is refused: the source has no key acme-20250101000000`,
  ])
  t.strictSame(await membersOf(destination, 'unstable'), [])
})

test('a token that is none ends the import, on either side', async (t) => {
  const { source } = await startSource(t)
  const destination = await startDepot(t, { listen: true })
  const before = await changesOf(destination)
  await t.rejects(
    importInto(destination, source.url, { token: 'hart_wrong' }),
    /\/v1\/depot\/origins\/acme answers 401/,
  )
  await t.rejects(importInto(destination, source.url, { toToken: 'hart_wrong' }), /whoami answers 401/)
  t.equal(await changesOf(destination), before)
})

test('a source that fails, sheds load or drops connections now and then is asked again', async (t) => {
  const { source, harts } = await startSource(t)
  const proxy = await startProxy(t, source.url, (what, nth) => {
    if (nth > 2) return 'pass'
    if (what.includes('/download')) return nth === 1 ? 'cut-within' : { status: 502 }
    if (what.includes('/keys')) return nth === 1 ? { status: 429, headers: { 'retry-after': '7' } } : 'pass'
    return nth === 1 ? 'cut' : { status: 500 }
  })
  const destination = await startDepot(t, { listen: true })
  const { failures, pauses } = await importInto(destination, proxy.url, { origins: ['acme', 'tools'] })
  t.strictSame(failures, [])
  for (const hart of harts) t.ok((await bytesOf(destination, hart)).equals(hart.bytes))
  t.ok(pauses.includes(7_000), 'as long as it was asked to')
  t.strictSame(new Set(pauses), new Set([1_000, 2_000, 7_000]), 'and longer each time')
})

test('a lost answer of the destination is asked for again, and makes no second revision', async (t) => {
  const { source } = await startSource(t)
  const destination = await startDepot(t, { listen: true })
  const proxy = await startProxy(t, destination.url, (what, nth) =>
    !what.startsWith('GET') && nth === 1 ? 'cut-within' : 'pass',
  )
  const { failures, copied } = await importInto(proxy, source.url)
  t.strictSame(failures, [])
  t.match(copied, { releases: 4 })
  t.strictSame(
    await membersOf(destination, 'acceptance'),
    await membersOf(source, 'acceptance').then((all) => all.filter((name) => name.startsWith('acme'))),
  )
  const view = JSON.parse((await ask(`${destination.url}/api/v1/views/acceptance`)).text) as {
    revision: number
  }
  t.equal(view.revision, 1)
})

test('one package that always breaks its connection is left out; a source that is gone ends the import, and the next one goes on', async (t) => {
  const { source } = await startSource(t)
  const destination = await startDepot(t, { listen: true })
  const poisoned = await startProxy(t, source.url, (what) =>
    what.includes(`${NEWER}/download`) ? 'cut' : 'pass',
  )
  const first = await importInto(destination, poisoned.url)
  t.match(first.failures, [new RegExp(`^${NEWER} for x86_64-linux: GET .* found no answer: `)])
  t.match(first.copied, { releases: 3 })

  let isGone = false
  const vanishing = await startProxy(t, source.url, (what) => {
    isGone ||= what.includes('/download')
    return isGone ? 'cut' : 'pass'
  })
  await t.rejects(importInto(destination, vanishing.url), / found no answer: /)
  const { copied, failures } = await importInto(destination, source.url)
  t.strictSame(failures, [])
  t.match(copied, { releases: 1 }, 'only what was missing is copied')
  t.strictSame(await membersOf(destination, 'stable'), [
    `${APP} for aarch64-linux`,
    `${NEWER} for x86_64-linux`,
  ])
})

test("Builder's list of an ident alone, which heeds no target, is not taken for another target's", async (t) => {
  const { source, harts } = await startSource(t)
  const [app] = harts
  const shown = await ask(`${source.url}/v1/depot/pkgs/${APP}?target=x86_64-linux`)
  const builder = await startProxy(t, source.url, (what) =>
    what.startsWith(`GET /v1/depot/pkgs/${APP}?target=`) ? { status: 200, body: shown.text } : 'pass',
  )
  const destination = await startDepot(t, { listen: true })
  const { failures } = await importInto(destination, builder.url)
  t.strictSame(failures, [])
  t.equal((await membersOf(destination, 'unstable')).filter((name) => name.startsWith(APP)).length, 2)
  t.match(JSON.parse(shown.text), { checksum: app?.checksum })
})

test('a name that would lead elsewhere in the destination is refused', async (t) => {
  const { source } = await startSource(t)
  const destination = await startDepot(t, { listen: true })
  const hostile = await startProxy(t, source.url, (what) => {
    if (what === 'GET /v1/depot/channels/acme')
      return { status: 200, body: '[{"name":"../../origins"},{"name":"stable"}]' }
    if (what.startsWith('GET /v1/depot/pkgs/acme/lib?'))
      return {
        status: 200,
        body: '{"total_count":1,"data":[{"version":"..","release":"..","platforms":["x86_64-linux"]}]}',
      }
    return 'pass'
  })
  const { failures } = await importInto(destination, hostile.url)
  t.match(failures, [
    /^acme\/lib\/\.\.\/\.\.: .*is not a/,
    /^the channel \.\.\/\.\.\/origins of acme: .* is not a view's name/,
  ])
  t.strictSame(await membersOf(destination, 'stable'), [
    `${APP} for aarch64-linux`,
    `${NEWER} for x86_64-linux`,
  ])
})

function blobOf({ folder }: TestDepot, { checksum }: BuiltHart): string {
  return join(folder, 'blobs', checksum.slice(0, 2), checksum)
}
