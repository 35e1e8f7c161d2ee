import { execFileSync } from 'node:child_process'
import {
  chmod,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import pino from 'pino'
import { test } from 'tap'
import type { Test } from 'tap'
import { readConfig } from '../../src/config/config.ts'
import { openDepot } from '../../src/depot/open.ts'
import { openControl } from '../../src/depot/control.ts'
import { buildHart } from '../support/build-hart.ts'
import { makeOrigin, upload } from '../support/origin.ts'
import { isExhaustive } from '../support/random.ts'
import { makeReleases, move } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'

const world = { log: pino({ level: 'silent' }), inProcess: true }

async function scratch(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

test('a database or a blob folder is locked by one depot, under any path', async (t) => {
  const folder = await scratch(t)
  const at = (name: string, more: Record<string, string>) =>
    readConfig({ DEPOT_DATA: join(folder, name), ...more })
  for (const shared of [
    { DEPOT_DATABASE_URL: `sqlite:${folder}/shared.sqlite` },
    { DEPOT_BLOBS: `fs:${folder}/shared` },
  ]) {
    const first = await openDepot(at('one', shared), world)
    await t.rejects(openDepot(at('two', shared), world), { code: 'data_in_use' })
    await first.close()
    await (await openDepot(at('two', shared), world)).close()
  }
})

test('a new depot does not begin beside packages, which it would remove', async (t) => {
  const folder = await scratch(t)
  const blob = join(folder, 'blobs', 'ab', 'ab'.padEnd(64, '0'))
  await mkdir(dirname(blob), { recursive: true })
  await writeFile(blob, 'of a depot whose database is gone')
  const open = () => openDepot(readConfig({ DEPOT_DATA: folder }), world)
  for (const time of ['first', 'second'])
    await t.rejects(
      open(),
      { code: 'conflict', message: /already has packages, but the database is new/ },
      time,
    )
  await rm(blob)
  await (await open()).close()
  await writeFile(blob, 'from a crash')
  await (await open()).close()
})

test('a depot whose packages are all gone says that their disk may be missing', async (t) => {
  const folder = await scratch(t)
  const logged = async (act: (started: TestDepot) => Promise<unknown>) => {
    const started = await startDepot(t, { folder, listen: true })
    await act(started)
    await started.close()
    return started.logged.filter(({ level }) => level === 'error')
  }
  const well = await logged(async (started) => {
    await makeOrigin(started)
    t.match(await upload(started, buildHart()), { status: 201 })
  })
  t.strictSame(well, [])
  t.strictSame(await logged(async () => undefined), [])
  await rename(join(folder, 'blobs'), join(folder, 'unmounted'))
  t.match(await logged(async () => undefined), [{ packages: 1, msg: /^there are no packages .* mounted/ }])
})

test('the secret key is created once, private to its owner, and a damaged one is neither used nor replaced', async (t) => {
  const folder = await scratch(t)
  const file = join(folder, 'secret.key')
  await writeFile(`${file}.new`, 'left by a depot that was killed')
  const open = () => openDepot(readConfig({ DEPOT_DATA: folder }), world)
  const depot = await open()
  const sealed = depot.secrets.seal('a secret', 'tests')
  await depot.close()
  t.match(await readFile(file, 'utf8'), /^[0-9a-f]{64}\n$/)
  t.equal((await stat(file)).mode & 0o777, 0o600)
  const again = await open()
  t.equal(again.secrets.open(sealed, 'tests'), 'a secret')
  await again.close()
  await truncate(file, 10)
  await t.rejects(open(), { code: 'invalid_request', message: /secret\.key must be 64 hex characters/ })
  t.equal((await stat(file)).size, 10)
})

test('a missing or different secret key is refused once something is encrypted', async (t) => {
  const folder = await scratch(t)
  const file = join(folder, 'secret.key')
  const open = (more: Record<string, string> = {}) =>
    openDepot(readConfig({ DEPOT_DATA: folder, ...more }), world)
  await (await open()).close()
  await rm(file)
  const depot = await open()
  await depot.writer.submit({
    kind: 'createOrigin',
    input: { name: 'acme', ownerId: 1 },
    actor: { client: 'tests', door: 'cli' },
  })
  const sealed = depot.secrets.seal('BOX-1', 'a purpose')
  await depot.writer.submit({
    kind: 'addSecret',
    input: { origin: 'acme', name: 'password', ownerId: 1, sealed },
    actor: { client: 'tests', door: 'cli' },
  })
  await depot.close()

  const key = await readFile(file, 'utf8')
  await rm(file)
  await t.rejects(open(), {
    code: 'invalid_request',
    message:
      /secret\.key is missing, but stored secrets are encrypted with the key [0-9a-f]{8} that it contained/,
  })
  t.notOk((await readdir(folder)).includes('secret.key'), 'none is created')
  const other = 'ab'.repeat(32)
  await t.rejects(open({ DEPOT_SECRET_KEY: other }), {
    code: 'invalid_request',
    message:
      /^DEPOT_SECRET_KEY holds the key [0-9a-f]{8}, but stored secrets are encrypted with the key [0-9a-f]{8}/,
  })
  await writeFile(file, other, { mode: 0o600 })
  await t.rejects(open(), { code: 'invalid_request', message: /secret\.key holds the key/ })
  await writeFile(file, key)
  const again = await open()
  t.equal(again.secrets.open(sealed, 'a purpose'), 'BOX-1')
  await again.close()
})

test('secrets can come from files, which must be private', async (t) => {
  const folder = await scratch(t)
  const [tokenFile, keyFile] = [join(folder, 'token'), join(folder, 'key')]
  await writeFile(tokenFile, `${'t'.repeat(32)}\n`, { mode: 0o600 })
  await writeFile(keyFile, `${'ab'.repeat(32)}\n`, { mode: 0o600 })
  const warnings: string[] = []
  const log = pino({ level: 'warn' }, { write: (line: string) => warnings.push(line) })
  const environment = {
    DEPOT_DATA: join(folder, 'data'),
    DEPOT_ADMIN_TOKEN_FILE: tokenFile,
    DEPOT_SECRET_KEY_FILE: keyFile,
  }
  const open = (more: Record<string, string> = {}) =>
    openDepot(readConfig({ ...environment, ...more }), { log, inProcess: true })

  const depot = await open()
  t.equal(depot.newAdminToken, undefined)
  t.match(await depot.authenticator.identify(`Bearer ${'t'.repeat(32)}`), { accountName: 'admin' })
  await depot.close()
  t.notOk((await readdir(join(folder, 'data'))).includes('secret.key'))
  t.strictSame(warnings, [])

  await chmod(keyFile, 0o640)
  await (await open()).close()
  t.match(warnings.join(''), `chmod 600 ${keyFile}`, 'a group may be that of Kubernetes')
  for (const file of [keyFile, tokenFile]) {
    await chmod(file, 0o604)
    await t.rejects(open(), {
      code: 'invalid_request',
      message: `every user of this machine may read the secret in ${file}: chmod 600 ${file}`,
    })
    await chmod(file, 0o600)
  }
  await t.rejects(open({ DEPOT_ADMIN_TOKEN_FILE: join(folder, 'none') }), {
    code: 'invalid_request',
    message: /^DEPOT_ADMIN_TOKEN_FILE names .*none, which does not exist/,
  })
  await writeFile(tokenFile, 'short')
  await t.rejects(open(), {
    code: 'invalid_request',
    message: `the secret in ${tokenFile} must have at least 32 visible ASCII characters and no spaces`,
  })
  const made = join(folder, 'made')
  await (await openDepot(readConfig({ DEPOT_DATA: made }), { log, inProcess: true })).close()
  await chmod(join(made, 'secret.key'), 0o644)
  await t.rejects(openDepot(readConfig({ DEPOT_DATA: made }), { log, inProcess: true }), {
    code: 'invalid_request',
    message: `every user of this machine may read the secret in ${made}/secret.key: chmod 600 ${made}/secret.key`,
  })
})

test('a depot whose account admin is disabled opens with a new DEPOT_ADMIN_TOKEN, and warns', async (t) => {
  const folder = await scratch(t)
  const warnings: string[] = []
  const log = pino({ level: 'warn' }, { write: (line: string) => warnings.push(line) })
  const open = (token: string) =>
    openDepot(readConfig({ DEPOT_DATA: folder, DEPOT_ADMIN_TOKEN: token.repeat(32) }), {
      log,
      inProcess: true,
    })
  const depot = await open('a')
  const actor = { client: 'tests', door: 'cli' } as const
  await depot.writer.submit({
    kind: 'addAccount',
    input: { name: 'root', isAdministrator: true },
    actor,
  })
  await depot.writer.submit({ kind: 'disableAccount', input: { account: 'admin', isDisabled: true }, actor })
  await depot.close()
  const again = await open('b')
  t.teardown(() => again.close())
  t.equal(again.adminTokenStatus, 'disabled')
  await t.rejects(async () => again.authenticator.identify(`Bearer ${'b'.repeat(32)}`), {
    code: 'unauthenticated',
  })
  t.match(warnings, { length: 1, 0: /the account admin is disabled/ })
})

test("files of the depot are private, whatever the umask and the folder's mode", async (t) => {
  const before = process.umask(0o000)
  t.teardown(() => process.umask(before))
  const folder = await scratch(t)
  const [data, blobs] = [join(folder, 'data'), join(folder, 'blobs')]
  for (const place of [data, blobs]) await mkdir(place, { mode: 0o755 })
  const open = () =>
    openDepot(readConfig({ DEPOT_DATA: data, DEPOT_BLOBS: `fs:${blobs}` }), { ...world, inProcess: false })
  const publish = async () => {
    const depot = await open()
    const spooled = depot.blobs.spool.newFile()
    await (await spooled.create()).close()
    await depot.blobs.claims.keep(spooled.path, 'ab'.repeat(32))
    const control = await openControl(data, depot)
    const modes = await modesBelow(folder)
    await control.close()
    await depot.close()
    return modes
  }
  t.strictSame(await publish(), [])
  t.equal((await stat(data)).mode & 0o777, 0o755, "the operator's folders stay as they are")

  process.umask(0o000)
  for (const name of ['depot.sqlite', 'lock.sqlite']) await chmod(join(data, name), 0o666)
  await chmod(join(blobs, 'ab'), 0o777)
  t.strictSame(await publish(), [], 'files left readable by an earlier version are made private')
})

/** Lists the files that other users can read, except the two folders that the operator made. */
async function modesBelow(folder: string): Promise<string[]> {
  const open: string[] = []
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const { mode } = await stat(path)
    if (entry.parentPath !== folder && (mode & 0o077) !== 0)
      open.push(`${(mode & 0o777).toString(8)} ${path}`)
  }
  return open
}

test('an unusable folder is refused with the setting and the reason', async (t) => {
  const folder = await scratch(t)
  const file = join(folder, 'file')
  await writeFile(file, 'in the way')
  await symlink('circle', join(folder, 'circle'))
  const cases: readonly (readonly [Record<string, string>, RegExp])[] = [
    [
      { DEPOT_DATA: '/proc/nope' },
      /^DEPOT_DATA: the folder \/proc\/nope cannot be used: folders cannot be created there \(ENOENT\)$/,
    ],
    [{ DEPOT_DATA: '/proc/nope/deeper' }, /^DEPOT_DATA: .*ENOENT/],
    [
      { DEPOT_DATA: file },
      /^DEPOT_DATA: the folder \S+\/file cannot be used: a file is in its place \(EEXIST\)$/,
    ],
    [
      { DEPOT_DATA: join(file, 'below') },
      /^DEPOT_DATA: .* a file is in the place of a folder above it \(ENOTDIR\)$/,
    ],
    [
      { DEPOT_DATA: join(folder, 'circle', 'below') },
      /^DEPOT_DATA: .* its symbolic links form a loop \(ELOOP\)$/,
    ],
    [{ DEPOT_DATA: '/sys/nope' }, /^DEPOT_DATA: .* \((EPERM|EROFS|EACCES)\)$/],
    [
      { DEPOT_DATA: join(folder, 'data'), DEPOT_BLOBS: 'fs:/proc/nope' },
      /^DEPOT_BLOBS: the folder \/proc\/nope/,
    ],
    [
      { DEPOT_DATA: join(folder, 'data'), DEPOT_DATABASE_URL: 'sqlite:/proc/nope/depot.sqlite' },
      /^DEPOT_DATABASE_URL: the folder \/proc\/nope/,
    ],
  ]
  for (const [environment, message] of cases)
    await t.rejects(openDepot(readConfig(environment), world), { code: 'invalid_request', message })
})

test('missing parents of the data folder are created, private to the owner', async (t) => {
  const folder = join(await scratch(t), 'a', 'b')
  const depot = await openDepot(
    readConfig({ DEPOT_DATA: folder, DEPOT_DATABASE_URL: `sqlite:${folder}/rows/depot.sqlite` }),
    world,
  )
  await depot.close()
  for (const made of [join(folder, '..'), folder, join(folder, 'rows'), join(folder, 'blobs')])
    t.equal((await stat(made)).mode & 0o777, 0o700, made)
})

for (const [what, remove] of Object.entries({
  'the data folder is removed': async (folder: string) => rm(folder, { recursive: true }),
  'the data folder is replaced by a copy': async (folder: string) => {
    await rename(folder, `${folder}.before`)
    execFileSync('cp', ['-a', `${folder}.before`, folder])
  },
  'the database is removed': async (folder: string) => rm(join(folder, 'depot.sqlite')),
  'the log of the database is removed': async (folder: string) => rm(join(folder, 'depot.sqlite-wal')),
  'the lock is replaced': async (folder: string) => {
    await rename(join(folder, 'lock.sqlite'), join(folder, 'lock.before'))
    await writeFile(join(folder, 'lock.sqlite'), '')
  },
  'the folder of blobs is replaced by an empty one': async (folder: string) => {
    await rename(join(folder, 'blobs'), join(folder, 'blobs.before'))
    await mkdir(join(folder, 'blobs'))
  },
})) {
  const hasThreads = /data folder|log/.test(what)
  if (hasThreads && !isExhaustive) continue // takes several times as long
  test(`when ${what}, a depot refuses every change, reports it, and answers polls`, async (t) => {
    const folder = join(await scratch(t), 'data')
    const started = await startDepot(t, { folder, hasThreads, listen: true })
    const { depot, logged } = started
    await makeOrigin(started)
    const releases = await makeReleases(started, 'acme/app/1.0.0/20260101120000')
    const latest = `${started.url}/v1/depot/views/delivered/pkgs/acme/app/latest`
    await move(started, 'promote', 'delivered', releases)
    t.equal((await fetch(latest)).status, 200)
    depot.upkeep?.checkFiles()
    const fatal = () => logged.filter(({ level }) => level === 'fatal')
    t.strictSame(fatal(), [])

    await remove(folder)
    await t.rejects(move(started, 'demote', 'delivered', releases), {
      code: 'data_gone',
      message: /^the data folder of the depot was removed or replaced/,
    })
    t.match(await upload(started, buildHart()), { status: 503 })
    t.equal((await fetch(latest)).status, 200, 'the refused change is not seen')
    const ready = await fetch(`${started.url}/readyz`)
    t.match(
      { status: ready.status, body: await ready.json() },
      {
        status: 200,
        body: { ready: true, reasons: [/^every change is refused: the data folder was removed or replaced/] },
      },
    )
    for (let count = 0; count < 3; count += 1) depot.upkeep?.checkFiles()
    t.match(fatal(), [{ path: String, msg: /^the data folder was removed or replaced/ }], 'it is logged once')
  })
}

test('a data folder that is put back accepts changes again', async (t) => {
  const folder = join(await scratch(t), 'data')
  const started = await startDepot(t, { folder, hasThreads: true })
  const releases = await makeReleases(started, 'acme/app/1.0.0/20260101120000')
  await rename(folder, `${folder}.aside`)
  started.depot.upkeep?.checkFiles()
  await t.rejects(move(started, 'promote', 'delivered', releases), { code: 'data_gone' })
  await rename(`${folder}.aside`, folder)
  await move(started, 'promote', 'delivered', releases)
  started.depot.upkeep?.checkFiles()
  t.match(started.logged.at(-1), {
    level: 'warn',
    msg: 'the data folder is back: changes are accepted again',
  })
})
