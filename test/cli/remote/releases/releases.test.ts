import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { formatPublicKey, formatSecretKey } from '../../../../src/hart/origin-key.ts'
import { parseIdent, hartFileName } from '../../../../src/package/ident.ts'
import { buildHart, makeKeys } from '../../../support/build-hart.ts'
import type { BuildHartOptions } from '../../../support/build-hart.ts'
import { commandsOn } from '../../../support/command.ts'
import { makeOrigin, publishAll } from '../../../support/origin.ts'
import { makeReleases } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

const APP = 'acme/app/1.0.0/20260101000000'
const LIBRARY = 'acme/library/2.0.0/20260101000000'
const KEY = makeKeys('acme').publicKey

async function start(t: Parameters<typeof startDepot>[0]) {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-releases-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const started = await startDepot(t, { listen: true })
  const run = commandsOn(started)
  const write = async (options: BuildHartOptions, name?: string) => {
    const { bytes, ident, target } = buildHart(options)
    const file = join(folder, name ?? hartFileName(ident, target))
    await writeFile(file, bytes)
    return file
  }
  return {
    started,
    folder,
    write,
    run: (args: readonly string[], env: Record<string, string> = {}) =>
      run(args, { env: { HOME: folder, ...env } }),
  }
}

test('upload publishes files and promotes them in one revision, and repeating it changes nothing', async (t) => {
  const { started, run, write } = await start(t)
  await makeOrigin(started)
  const files = [await write({ ident: APP }), await write({ ident: LIBRARY })]
  const first = await run(['upload', ...files, '--promote', 'union'])
  t.match(first, {
    code: 0,
    stderr: '',
    stdout: /app\S+ \(x86_64-linux\) is published\.[^]*union is at revision 1\./,
  })
  t.match(await run(['upload', ...files, '--promote', 'union', '--quiet']), {
    code: 0,
    stdout: `${APP}\n${LIBRARY}\n`,
  })
  t.match(JSON.parse((await run(['upload', ...files, '--json', '--promote', 'union'])).stdout), {
    releases: [{ ident: APP }, { ident: LIBRARY }],
    promotion: { revision: 1, changed: false },
  })
})

test('upload sends the key of the signer if the depot lacks it and the token may', async (t) => {
  const { started, folder, run, write } = await start(t)
  const actor = { client: 'tests', door: 'cli' } as const
  await started.depot.writer.submit({ kind: 'createOrigin', input: { name: 'acme', ownerId: 1 }, actor })
  const file = await write({ ident: APP })
  t.match(await run(['upload', file]), { code: 1, stderr: /was not uploaded: .*acme-\d+.*--key FILE/ })
  const key = join(folder, `acme-${KEY.revision}.pub`)
  await writeFile(key, formatPublicKey(KEY))
  const secret = join(folder, 'acme.sig.key')
  await writeFile(secret, formatSecretKey(makeKeys('acme').secretKey))
  t.match(await run(['upload', file, '--key', secret]), { code: 2, stderr: /a secret key: nothing was sent/ })
  const member = commandsOn(started, await started.account('guest'))
  t.match(await member(['upload', file, '--key', key], { env: { HOME: folder } }), {
    code: 6,
    stderr: /nothing was uploaded: the depot lacks the key acme-/,
  })
  t.match(await run(['upload', file], { HAB_CACHE_KEY_PATH: folder }), {
    code: 0,
    stderr: /Added the key acme-/,
  })
})

test('upload says which file was refused and why', async (t) => {
  const { started, folder, run, write } = await start(t)
  await makeOrigin(started)
  const good = await write({ ident: LIBRARY })
  const bad = await write({ ident: APP, flaws: ['wrong-signature'] })
  const refused = await run(['upload', good, bad])
  t.match(refused, { code: 1, stdout: '', stderr: /app-1\.0\.0.* was not uploaded: .*signature/ })
  t.match(refused.stderr, `Uploaded before: ${LIBRARY}`)
  await writeFile(join(folder, 'text.hart'), 'no package')
  t.match(await run(['upload', join(folder, 'text.hart')]), { code: 1, stderr: /not a hart file/ })
  t.match(await run(['upload', join(folder, 'absent.hart')]), { code: 1, stderr: /there is no / })
  const other = await write({ ident: 'acme/other/1.0.0/20260101000000' })
  t.match(await run(['upload', other, '--promote', 'nowhere']), { code: 5, stderr: /nowhere/ })
  t.match(await run(['show', 'acme/other/1.0.0/20260101000000']), { code: 5 }, 'nothing was sent')
  await started.depot.writer.submit({
    kind: 'freeze',
    input: { view: 'union', reason: 'stocktaking' },
    actor: { client: 'tests', door: 'cli' },
  })
  t.match(await run(['upload', other, '--promote', 'union']), {
    code: 3,
    stderr: /other\S+ \(x86_64-linux\) is published\. Nothing was promoted into union: .*stocktaking/,
  })
})

test('upload --with-deps takes what is needed and absent from a folder, or uploads nothing', async (t) => {
  const { started, folder, run, write } = await start(t)
  await makeOrigin(started)
  const file = await write({ ident: APP, deps: [LIBRARY], tdeps: [LIBRARY] }, 'app.hart')
  t.match(await run(['upload', file, '--with-deps', folder]), {
    code: 5,
    stderr: new RegExp(`has ${LIBRARY}. Nothing was uploaded`),
  })
  t.match(await run(['show', APP]), { code: 5 })
  await write({ ident: LIBRARY })
  t.match(await run(['upload', file, '--with-deps', folder, '--quiet']), {
    code: 0,
    stdout: `${LIBRARY}\n${APP}\n`,
  })
  t.match(await run(['upload', file, '--with-deps', folder, '--quiet']), { code: 0, stdout: `${APP}\n` })
})

test('download writes the package under its name, and refuses one of another signer', async (t) => {
  const { started, folder, run } = await start(t)
  await makeOrigin(started)
  const [hart] = await publishAll(started, APP)
  const name = hartFileName(parseIdent(APP), 'x86_64-linux')
  t.match(await run(['download', APP, folder]), {
    code: 0,
    stderr: '',
    stdout: /signature of acme-\d+ are right/,
  })
  t.strictSame(await readFile(join(folder, name)), hart?.bytes)
  const file = join(folder, 'app.hart')
  t.match(await run(['download', APP, file, '--quiet']), { code: 0, stdout: `${file}\n` })
  const key = join(folder, 'other.pub')
  await writeFile(key, formatPublicKey({ ...KEY, raw: makeKeys('other').publicKey.raw }))
  t.match(await run(['download', APP, join(folder, 'third.hart'), '--key', key]), {
    code: 1,
    stderr: /signature was not made by acme-/,
  })
  t.strictSame(
    (await readdir(folder)).toSorted(),
    [name, 'app.hart', 'other.pub', 'third.hart.part'].toSorted(),
  )
  t.match(await run(['download', LIBRARY]), { code: 5 })
  t.match(await run(['download', 'acme']), { code: 2, stderr: /four parts/ })
})

test('show, where and search find what was published', async (t) => {
  const { started, run } = await start(t)
  await makeOrigin(started)
  await publishAll(started, APP, LIBRARY)
  t.match(await run(['where', APP, '--quiet']), { code: 0, stdout: 'unstable\n' }, 'where uploads go')
  await run(['promote', APP, 'union', '--reason', 'tried'])
  t.match(await run(['show', APP]), { code: 0, stdout: /^views +union unstable$/m })
  t.match(JSON.parse((await run(['show', APP, '--json'])).stdout), { ident: APP, publisher: 'admin' })
  t.match(await run(['where', APP]), { code: 0, stdout: /^union +1 +\S+ +- +admin +tried$/m })
  await run(['demote', APP, 'union'])
  t.match(await run(['where', APP, '--quiet']), { code: 0, stdout: 'unstable\n' })
  t.match(await run(['where', APP, '--past', '--quiet']), { code: 0, stdout: 'unstable\nunion\n' })
  t.match(await run(['search', 'acme', 'libr', '--quiet']), { code: 0, stdout: 'acme/library\n' })
  t.match(await run(['search', 'ibra', 'version:*', '--quiet']), { code: 0, stdout: 'acme/library\n' })
  t.match(await run(['search', 'acme', '--view', 'union']), { code: 0, stdout: '', stderr: /No package/ })
  t.match(await run(['search', 'vers:1']), {
    code: 1,
    stderr: /no field "vers:"; did you mean version\?|fields are/,
  })
  t.match(await run(['search', 'nothing', '--json']), { code: 0, stdout: '[]\n' })
})

test('show and download take the newest release of a package or a version, and say which', async (t) => {
  const { started, folder, run } = await start(t)
  await makeOrigin(started)
  const [higher, rebuilt] = ['acme/app/1.10.0/20260101000000', 'acme/app/1.10.0/20260102000000']
  await publishAll(started, APP, rebuilt, higher)
  for (const [partial, whole] of [
    ['acme/app', rebuilt],
    ['acme/app/1.10.0', rebuilt],
    ['acme/app/1.0.0', APP],
  ] as const)
    t.match(await run(['show', partial]), {
      code: 0,
      stdout: whole,
      stderr: `${partial} is ${whole}, the newest release for x86_64-linux.\n`,
    })
  await run(['promote', APP, 'union'])
  const env = { HART_DEPOT_URL: `${started.url}/v1/depot/views/union` }
  const name = hartFileName(parseIdent(APP), 'x86_64-linux')
  t.match(await run(['download', 'acme/app', folder, '--quiet'], env), {
    code: 0,
    stdout: `${join(folder, name)}\n`,
    stderr: '',
  })
  for (const absent of ['acme/nothing', 'acme/app/2.0', 'acme/app/1.10.0/20270101000000'])
    t.match(await run(['show', absent]), { code: 5 }, absent)
  t.match(await run(['show', 'acme/app', '--target', 'x86_64-windows']), { code: 5 })
  await makeReleases(started, 'acme/tool/1.0.0/20260101000000 for x86_64-windows')
  t.match(await run(['show', 'acme/tool']), { code: 0, stderr: /newest release for x86_64-windows/ })
  t.match(await run(['show', 'acme/tool'], env), { code: 5 }, 'the view does not have it')
  t.match(await run(['show', 'ACME/app']), { code: 2 })
})

test('delete says what keeps a release, and deletes what nothing keeps', async (t) => {
  const { started, run } = await start(t)
  await makeOrigin(started)
  await publishAll(started, APP)
  await run(['promote', 'union', APP])
  t.match(await run(['delete', APP, '--yes']), {
    code: 3,
    stdout: '',
    stderr: /cannot be deleted:\n {2}it is in union: demote it first/,
  })
  await run(['demote', 'union', APP])
  t.match(await run(['delete', APP, '--yes', '--quiet']), { code: 0, stdout: `${APP}\n`, stderr: '' })
  t.match(await run(['show', APP]), { code: 5 })
  t.match(await run(['delete', APP, '--yes']), { code: 5 })
  t.match(await run(['delete', 'acme/app', '--yes']), { code: 2 })
})
