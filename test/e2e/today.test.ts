import { join } from 'node:path'
import { test } from 'tap'
import { buildHart, makeKeys } from '../support/build-hart.ts'
import { ApiError, HabToday, Machine, uploadToday } from '../support/habitat/hab-today.ts'
import { ADMIN_TOKEN, startDepot } from '../support/start-depot.ts'

const glibc = buildHart({ ident: 'core/glibc/2.41/20260101120000' })
const tdeps = ['core/glibc/2.41/20260101120000']
const app = (version: string, release: string) =>
  buildHart({ ident: `acme/app/${version}/${release}`, deps: tdeps, tdeps, exposes: [8080] })
const first = app('1.9.0', '20260201120000')
const second = app('1.10.0', '20260202120000')

test("today's clients upload, install, promote, update and demote", async (t) => {
  const started = await startDepot(t, { listen: true })
  const actor = { client: 'tests', door: 'cli' } as const
  for (const name of ['core', 'acme'])
    await started.depot.writer.submit({ kind: 'createOrigin', input: { name, ownerId: 1 }, actor })
  const hab = new HabToday(started.url, { token: ADMIN_TOKEN })
  const machine = new Machine(
    new HabToday(started.url, { product: 'hab-sup' }),
    join(started.folder, 'host'),
    started.depot.scanner,
  )

  await t.rejects(uploadToday(hab, first, { tdeps }), /MissingArtifact core\/glibc/)
  t.same(await uploadToday(hab, first, { tdeps, folder: [glibc], channel: 'stable' }), [
    'key exists',
    'core/glibc/2.41/20260101120000 uploaded',
    'acme/app/1.9.0/20260201120000 uploaded',
  ])
  t.same(await uploadToday(hab, first, { tdeps, channel: 'stable' }), ['key exists', 'existing'])
  t.same(await uploadToday(hab, first, { tdeps, isForced: true }), [
    'key exists',
    'acme/app/1.9.0/20260201120000 uploaded',
  ])

  await t.rejects(
    machine.install('acme/app'),
    /in base; there is acme\/app\/1\.9\.0\/20260201120000 in stable, .* in unstable/,
    'the hints name the channels that have it',
  )
  t.equal(await machine.install('acme/app', 'stable'), 'acme/app/1.9.0/20260201120000')
  t.same(machine.installed, [...tdeps, 'acme/app/1.9.0/20260201120000'])

  await uploadToday(hab, second, { tdeps, channel: 'base' })
  t.equal(await machine.install('acme/app', 'stable'), 'acme/app/1.9.0/20260201120000')
  t.equal(await machine.install('acme/app'), 'acme/app/1.10.0/20260202120000', 'base need not be created')
  t.equal(await hab.createChannel('acme', 'stable'), 'exists')
  await hab.promote('acme/app/1.10.0/20260202120000', 'stable')
  t.equal(await machine.install('acme/app', 'stable'), 'acme/app/1.10.0/20260202120000')
  t.equal(await machine.install('acme/app/1.9.0', 'stable'), 'acme/app/1.9.0/20260201120000')
  await hab.promote('acme/app/1.10.0/20260202120000', 'stable', 'demote')
  t.equal((await hab.showPackage('stable', 'acme/app'))?.ident, 'acme/app/1.9.0/20260201120000')

  await t.rejects(
    hab.promote('acme/app/1.10.0/20260202120000', 'canary'),
    new ApiError({ status: 404, text: 'there is no view "canary"', headers: {}, body: Buffer.alloc(0) }),
  )
  t.equal(await hab.createChannel('acme', 'canary'), 'created')
  await hab.promote('acme/app/1.10.0/20260202120000', 'canary')
  t.same(await hab.listChannels('acme'), ['base', 'canary', 'stable', 'unstable'])
})

test("a view's URL works as HAB_BLDR_URL, for any channel", async (t) => {
  const started = await startDepot(t, { listen: true })
  const actor = { client: 'tests', door: 'cli' } as const
  for (const name of ['core', 'acme'])
    await started.depot.writer.submit({ kind: 'createOrigin', input: { name, ownerId: 1 }, actor })
  const hab = new HabToday(started.url, { token: ADMIN_TOKEN })
  await uploadToday(hab, first, { tdeps, folder: [glibc], channel: 'unstable' })
  await hab.promote('acme/app/1.9.0/20260201120000', 'acceptance')
  await uploadToday(hab, second, { tdeps, channel: 'stable' })

  const below = new HabToday(`${started.url}/v1/depot/views/acceptance`, { product: 'hab-sup' })
  const machine = new Machine(below, join(started.folder, 'host'), started.depot.scanner)
  for (const channel of ['base', 'stable', 'unstable', 'no-such-channel']) {
    t.equal(await machine.install('acme/app', channel), 'acme/app/1.9.0/20260201120000', channel)
  }
  t.same(machine.installed, [...tdeps, 'acme/app/1.9.0/20260201120000'])
  await hab.promote('acme/app/1.10.0/20260202120000', 'acceptance')
  t.equal(
    await machine.install('acme/app', 'stable'),
    'acme/app/1.10.0/20260202120000',
    'it follows the next promotion',
  )
  await hab.promote('acme/app/1.9.0/20260201120000', 'acceptance')
  t.equal(
    await machine.install('acme/app', 'stable'),
    'acme/app/1.9.0/20260201120000',
    'and the one back, as --update-condition track-channel wants it',
  )

  t.equal(
    (await below.showPackage('unstable', 'core/glibc'))?.ident,
    'core/glibc/2.41/20260101120000',
    'core is not governed by a view: the channel asked for answers',
  )
  t.equal(await below.showPackage('stable', 'core/glibc'), undefined)
})

test("today's hab gets the special results of an upload", async (t) => {
  const started = await startDepot(t, { listen: true })
  await started.depot.writer.submit({
    kind: 'createOrigin',
    input: { name: 'acme', ownerId: 1 },
    actor: { client: 'tests', door: 'cli' },
  })
  const hab = new HabToday(started.url, { token: ADMIN_TOKEN })
  const fails = (doing: Promise<unknown>, status: number, says: RegExp) =>
    t.rejects(doing, { status, message: says })

  await fails(hab.putPackage(first), 422, /has no key acme-20260101000000/)
  t.equal(await hab.putOriginKey(first), 'added')
  t.equal(await hab.putOriginKey(first), 'exists')
  t.equal(await hab.putPackage(first), 'uploaded')
  t.equal(await hab.putPackage(first), 'exists')
  t.equal(await hab.putPackage(first, true), 'uploaded', 'forced, with the same bytes')
  await fails(
    hab.putPackage(buildHart({ ident: 'acme/app/1.9.0/20260201120000' }), true),
    422,
    /a release never changes/,
  )
  t.equal(
    await hab.putPackage(buildHart({ ident: 'acme/app/2/20260201120000', target: 'x86_64-darwin' })),
    'unsupported',
  )
  await fails(hab.putPackage({ ...second, checksum: 'f'.repeat(64) }), 422, /checksum/)
  await fails(hab.promote('acme/app/1.9.0/20260201120000', 'unstable', 'demote'), 403, /unstable/)
  await fails(hab.promote('acme/app/1.9.0/20260201120000', 'stable', 'demote'), 400, /not in stable/)

  const anonymous = new HabToday(started.url)
  await fails(anonymous.putPackage(second), 401, /Personal Access Token/)
  const member = await started.account('member')
  await started.depot.writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account: 'member', role: 'member' },
    actor: { client: 'tests', door: 'cli' },
  })
  const theirs = new HabToday(started.url, { token: member })
  const rotated = buildHart({ ident: 'acme/app/3/20260201120000', keys: makeKeys('acme', '20260202000000') })
  t.equal(await theirs.putOriginKey(second), 'exists', 'a member learns that a key exists')
  await fails(theirs.putOriginKey(rotated), 403, /administrator/)
  t.equal(await theirs.putPackage(second), 'uploaded')
  await fails(theirs.promote('acme/app/1.10.0/20260202120000', 'stable'), 401, /Personal Access Token/)
})
