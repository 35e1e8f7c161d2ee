import tap, { test } from 'tap'
import { formatPublicKey } from '../../src/hart/origin-key.ts'
import { formatIdent } from '../../src/package/ident.ts'
import { ask } from '../support/ask.ts'
import { makeKeys } from '../support/build-hart.ts'
import { bytesOf, changesOf, importInto, latestIn, membersOf } from '../support/copies/import.ts'
import { APP, LIB, NEWER, TOOL, declare, startSource } from '../support/copies/import-source.ts'
import { makeOrigin, promoteTo, publishAll } from '../support/origin.ts'
import { startDepot } from '../support/start-depot.ts'

/** The source of most tests. They do not change it. */
const { source: shared, harts: sharedHarts } = await startSource(tap)

test('a dry run plans the import and writes nothing', async (t) => {
  const destination = await startDepot(t, { listen: true })
  const before = await changesOf(destination)
  const { plan, copied, failures } = await importInto(destination, shared.url, {
    origins: ['acme', 'tools'],
    isDryRun: true,
  })
  t.strictSame(failures, [])
  t.equal(copied, undefined)
  t.match(plan.origins, [
    { name: 'acme', isNew: true, keys: { length: 1 }, keysPresent: 0, filesPresent: 0 },
    { name: 'tools', isNew: true, keys: { length: 1 }, releases: [{ files: [{ target: 'x86_64-linux' }] }] },
  ])
  const files = plan.origins[0]?.releases.flatMap((release) => release.files) ?? []
  t.equal(files.length, 4)
  t.ok(
    files.every(({ sizeBytes = 0 }) => sizeBytes > 0),
    'sizes are known',
  )
  const channels = plan.origins.flatMap((origin) =>
    origin.channels.map(
      ({ name, isNew, joining }) => `${origin.name} ${name} ${isNew ? 'new ' : ''}${joining}`,
    ),
  )
  t.strictSame(channels.toSorted(), [
    'acme acceptance new 2',
    'acme nightly new 1',
    'acme stable 2',
    'tools empty new 0',
    'tools stable 1',
  ])
  t.equal(await changesOf(destination), before)
})

test('origins, keys, packages, channels and members are copied, byte by byte, and a second import changes nothing', async (t) => {
  const destination = await startDepot(t, { listen: true })
  const { copied, failures } = await importInto(destination, shared.url, { origins: ['acme', 'tools'] })
  t.strictSame(failures, [])
  t.match(copied, {
    origins: 2,
    keys: 2,
    releases: 5,
    channels: 3,
    members: 6,
    bytes: sharedHarts.reduce((sum, { bytes }) => sum + bytes.length, 0),
  })
  for (const hart of sharedHarts)
    t.ok(
      (await bytesOf(destination, hart)).equals(hart.bytes),
      `${formatIdent(hart.ident)} for ${hart.target}`,
    )
  for (const view of ['unstable', 'stable', 'acceptance', 'nightly'])
    t.strictSame(await membersOf(destination, view), await membersOf(shared, view), view)
  t.equal(await declare(destination, 'tools', 'empty'), 409, 'a channel without members exists too')
  const key = await ask(`${destination.url}/v1/depot/origins/acme/keys/latest`)
  t.equal(key.text, formatPublicKey(makeKeys('acme').publicKey))

  const before = await changesOf(destination)
  const again = await importInto(destination, shared.url, { origins: ['acme', 'tools'] })
  t.strictSame(again.failures, [])
  t.match(again.copied, { origins: 0, keys: 0, releases: 0, channels: 0, members: 0 })
  t.strictSame(
    again.plan.origins.map(({ filesPresent, keysPresent, isNew }) => [filesPresent, keysPresent, isNew]),
    [
      [4, 1, false],
      [1, 1, false],
    ],
  )
  t.equal(await changesOf(destination), before)
})

test('the latest release of a channel stays the highest one, as in Builder', async (t) => {
  const source = await startDepot(t, { listen: true })
  await makeOrigin(source)
  const between = 'acme/app/1.9.0/20260102120000'
  const [app, newer] = await publishAll(source, APP, NEWER)
  for (const hart of [newer, app]) if (hart !== undefined) await promoteTo(source, 'acceptance', hart)
  const destination = await startDepot(t, { listen: true })
  await importInto(destination, source.url)
  t.strictSame(await latestIn(destination, 'acceptance'), [`${NEWER} for x86_64-linux`])

  for (const hart of await publishAll(source, between)) await promoteTo(source, 'acceptance', hart)
  const { copied } = await importInto(destination, source.url)
  t.match(copied, { releases: 1 })
  t.equal((await membersOf(destination, 'acceptance')).length, 3)
  t.strictSame(
    await latestIn(destination, 'acceptance'),
    [`${NEWER} for x86_64-linux`],
    'also after a lower release joins',
  )
})

test('--channel and --target limit an import', async (t) => {
  const byChannel = await startDepot(t, { listen: true })
  const { notes } = await importInto(byChannel, shared.url, { channels: ['stable', 'nowhere'] })
  t.strictSame(notes, ['acme has no channel nowhere'])
  t.strictSame(await membersOf(byChannel, 'unstable'), [
    `${APP} for aarch64-linux`,
    `${NEWER} for x86_64-linux`,
  ])
  t.strictSame(await membersOf(byChannel, 'acceptance'), [])

  const byTarget = await startDepot(t, { listen: true })
  await importInto(byTarget, shared.url, { targets: ['aarch64-linux'] })
  t.strictSame(await membersOf(byTarget, 'unstable'), [
    `${APP} for aarch64-linux`,
    `${LIB} for aarch64-linux`,
  ])
  t.strictSame(await membersOf(byTarget, 'stable'), [`${APP} for aarch64-linux`])
})

test('a release with other bytes at the destination stays, and is reported and not promoted', async (t) => {
  const destination = await startDepot(t, { listen: true })
  await makeOrigin(destination)
  const [other] = await publishAll(destination, { ident: APP, config: 'port = 1\n' })
  const { failures } = await importInto(destination, shared.url)
  t.match(failures, [
    new RegExp(`^${APP} for x86_64-linux: the destination has other bytes: .* ${other?.checksum}, `),
  ])
  if (other !== undefined) t.ok((await bytesOf(destination, other)).equals(other.bytes))
  t.strictSame(await membersOf(destination, 'nightly'), [])
})

test('another key of the same name at the destination is reported, and its packages are refused', async (t) => {
  const destination = await startDepot(t, { listen: true })
  const actor = { client: 'tests', door: 'cli' } as const
  await destination.depot.writer.submit({ kind: 'createOrigin', input: { name: 'tools', ownerId: 1 }, actor })
  const publicBody = formatPublicKey({ ...makeKeys('acme').publicKey, origin: 'tools' })
  await destination.depot.writer.submit({
    kind: 'addKey',
    input: { origin: 'tools', revision: '20260101000000', ownerId: 1, publicBody },
    actor,
  })
  const { failures } = await importInto(destination, shared.url, { origins: ['tools'] })
  t.match(failures, [
    'the key tools-20260101000000: the destination has another key of this name',
    new RegExp(`^${TOOL} for x86_64-linux: .* answered 422: .*not made by tools-`),
  ])
})
