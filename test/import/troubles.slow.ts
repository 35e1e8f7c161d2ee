import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { formatPublicKey } from '../../src/hart/origin-key.ts'
import { ask } from '../support/ask.ts'
import { makeKeys } from '../support/build-hart.ts'
import type { BuiltHart } from '../support/build-hart.ts'
import { bytesOf, changesOf, importInto, membersOf } from '../support/copies/import.ts'
import { APP, LIB, NEWER, startSource } from '../support/copies/import-source.ts'
import { publishAll } from '../support/origin.ts'
import { startProxy } from '../support/http/proxy.ts'
import { startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'

test('a package damaged at the source is refused, and all others are copied', async (t) => {
  const { source, harts } = await startSource(t)
  const [app, arm] = harts
  if (app === undefined || arm === undefined) throw new Error('there are no packages')
  await writeFile(blobOf(source, app), Buffer.concat([app.bytes.subarray(0, -1), Buffer.from('?')]))
  await writeFile(blobOf(source, arm), Buffer.alloc(arm.bytes.length, 'not a hart file')) // a file of another size would not be sent
  const destination = await startDepot(t, { listen: true })
  const { copied, failures } = await importInto(destination, source.url)
  t.match(failures, [
    new RegExp(`^${APP} for aarch64-linux: not a hart file: `),
    new RegExp(
      `^${APP} for x86_64-linux: the package is refused: its checksum should be ${app.checksum}, but is `,
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
    'refused packages are not promoted',
  )
})

test('a package with a right checksum and a wrong signature is refused', async (t) => {
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
    `${LIB} for x86_64-linux: the package is refused: the source has no key acme-20250101000000. With --accept-unknown-signers it is copied, if the destination runs with DEPOT_SIGNATURES=verify, which accepts and marks such packages`,
  ])
  t.strictSame(await membersOf(destination, 'unstable'), [])

  const lost = await importInto(destination, proxy.url, { acceptsUnknownSigners: true })
  t.match(lost.failures[1], /the depot has no key acme-20250101000000/, 'the destination decides')
  const tolerant = await startDepot(t, { listen: true, environment: { DEPOT_SIGNATURES: 'verify' } })
  const accepted = await importInto(tolerant, proxy.url, { acceptsUnknownSigners: true })
  t.match(accepted, { failures: [/its signature was not made by/], copied: { releases: 1 } })
  t.strictSame(await membersOf(tolerant, 'unstable'), [`${LIB} for x86_64-linux`])
})

test('a wrong token of either depot ends the import', async (t) => {
  const { source } = await startSource(t)
  const destination = await startDepot(t, { listen: true })
  const before = await changesOf(destination)
  await t.rejects(
    importInto(destination, source.url, { token: 'hart_wrong' }),
    /\/v1\/depot\/origins\/acme answered 401/,
  )
  await t.rejects(importInto(destination, source.url, { toToken: 'hart_wrong' }), /whoami answered 401/)
  t.equal(await changesOf(destination), before)
})

test('requests are retried after temporary errors and broken connections', async (t) => {
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
  t.ok(pauses.includes(7_000), 'Retry-After is respected')
  t.strictSame(new Set(pauses), new Set([1_000, 2_000, 7_000]), 'pauses grow')
})

test('a retry after a lost answer makes no second revision', async (t) => {
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

test('a repeated import that copies nothing promotes nothing, while a lower release stays broken', async (t) => {
  const { source } = await startSource(t)
  const destination = await startDepot(t, { listen: true })
  const poisoned = await startProxy(t, source.url, (what) =>
    what.includes(`${APP}/download`) ? 'cut' : 'pass',
  )
  await importInto(destination, poisoned.url)
  const again = await importInto(destination, poisoned.url)
  t.equal(again.failures.length, 2)
  t.match(again.copied, { releases: 0, members: 0 })
})

test('an import skips a package that always breaks its connection, and ends when the source is gone', async (t) => {
  const { source } = await startSource(t)
  const destination = await startDepot(t, { listen: true })
  const poisoned = await startProxy(t, source.url, (what) =>
    what.includes(`${NEWER}/download`) ? 'cut' : 'pass',
  )
  const first = await importInto(destination, poisoned.url)
  t.match(first.failures, [new RegExp(`^${NEWER} for x86_64-linux: GET .* got no answer: `)])
  t.match(first.copied, { releases: 3 })

  let isGone = false
  const vanishing = await startProxy(t, source.url, (what) => {
    isGone ||= what.includes('/download')
    return isGone ? 'cut' : 'pass'
  })
  await t.rejects(importInto(destination, vanishing.url), / got no answer: /)
  const { copied, failures } = await importInto(destination, source.url)
  t.strictSame(failures, [])
  t.match(copied, { releases: 1 }, 'only the missing package is copied')
  t.strictSame(await membersOf(destination, 'stable'), [
    `${APP} for aarch64-linux`,
    `${NEWER} for x86_64-linux`,
  ])
})

test("Builder's answer for an ident, which ignores the target, is not used for another target", async (t) => {
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

test('names with path segments are refused', async (t) => {
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
