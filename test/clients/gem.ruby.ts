import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'tap'
import type { Test } from 'tap'
import { formatPublicKey } from '../../src/hart/origin-key.ts'
import { buildHart, makeKeys } from '../support/build-hart.ts'
import { blocksOf } from '../support/documents/document.ts'
import { makeOrigin } from '../support/origin.ts'
import { ADMIN_TOKEN, startDepot } from '../support/start-depot.ts'

// The gem in clients/ruby, with a depot that it talks to. Needs Ruby: `npm run test:ruby`.

const GEM = join(import.meta.dirname, '../../clients/ruby')
const LARGE_BYTES = 24 * 1024 ** 2

async function scratchFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-ruby-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Runs a program in the folder of the gem, and resolves with its exit code and with all that it printed. */
async function run(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; output: string }> {
  const child = spawn(program, args, {
    cwd: GEM,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ])
  return { code, output: stdout + stderr }
}

/** Writes the files that test/depot_test.rb of the gem uploads. */
async function writePackages(folder: string): Promise<void> {
  const content = Buffer.alloc(LARGE_BYTES, 'hart-depot ')
  const packages = [
    ...['pandas/0.1.0', 'here/1.0.0', 'basic/1.0.0', 'refused/1.0.0'].map((name) =>
      buildHart({ ident: `acme/${name}/20260101120000` }),
    ),
    buildHart({ ident: 'acme/panes/1.0.0/20260101120000', target: 'x86_64-windows' }),
    buildHart({ ident: 'acme/large/1.0.0/20260101120000', files: [{ path: 'bin/large', content }] }),
  ]
  const key = makeKeys('acme', '20260202000000').publicKey
  const refused = 'acme/refused/1.0.0/20260101120000'
  const files: Readonly<Record<string, Uint8Array | string>> = {
    ...Object.fromEntries(packages.map(({ fileName, bytes }) => [fileName, bytes])),
    'forged.hart': buildHart({ ident: 'acme/forged/1.0.0/20260101120000', flaws: ['wrong-signature'] }).bytes,
    'other-bytes.hart': buildHart({ ident: refused, manifest: 'another build' }).bytes,
    'acme-20260202000000.pub': formatPublicKey(key),
  }
  await Promise.all(Object.entries(files).map(([name, bytes]) => writeFile(join(folder, name), bytes)))
}

test('the tests of the gem pass', async (t) => {
  const started = await startDepot(t, { listen: true, hasThreads: true })
  await makeOrigin(started)
  const actor = await started.actor('admin')
  const input = { view: 'delivered', reason: 'spring cleaning' }
  await started.depot.writer.submit({ kind: 'freeze', input, actor })
  const folder = await scratchFolder(t)
  await writePackages(folder)
  const { code, output } = await run('ruby', ['-w', '-I', 'lib', '-I', 'test', 'test/all.rb', '--verbose'], {
    DEPOT_URL: started.url,
    DEPOT_TOKEN: ADMIN_TOKEN,
    FILES: folder,
    LANG: 'C.UTF-8',
  })
  const results = [...output.matchAll(/^(\w+#test_\w+) = [\d.]+ s = (.)$/gm)]
  for (const [, name = '', result] of results) t.equal(result, '.', name)
  t.ok(results.length > 25, 'they ran')
  t.notMatch(output, /warning:/)
  t.equal(code, 0, code === 0 ? 'exit code 0' : output)
})

test('the examples of README.md run', async (t) => {
  const started = await startDepot(t, { listen: true, hasThreads: true })
  await started.depot.writer.submit({
    kind: 'createOrigin',
    input: { name: 'acme', ownerId: 1 },
    actor: await started.actor('admin'),
  })
  const folder = await scratchFolder(t)
  const hart = buildHart({ ident: 'acme/app/1.2.0/20260101120000' })
  await Promise.all(['results', 'downloads'].map((name) => mkdir(join(folder, name))))
  await writeFile(join(folder, 'token'), `${ADMIN_TOKEN}\n`)
  await writeFile(join(folder, 'results', hart.fileName), hart.bytes)
  await writeFile(join(folder, 'acme-20260101000000.pub'), formatPublicKey(hart.keys.publicKey))
  const readme = blocksOf(await readFile(join(GEM, 'README.md'), 'utf8'))
  const script = readme.filter(({ language }) => language === 'ruby').flatMap(({ lines }) => lines)
  await writeFile(join(folder, 'a.rb'), script.join('\n').replaceAll('http://127.0.0.1:9636', started.url))
  t.match(await run('ruby', ['-w', '-C', folder, '-I', join(GEM, 'lib'), 'a.rb']), { code: 0, output: '' })
  t.ok((await readFile(join(folder, 'downloads', hart.fileName))).equals(hart.bytes))
})

test('the gem is built, installed and loaded by its name, and loads only the standard library', async (t) => {
  const folder = await scratchFolder(t)
  const file = join(folder, 'client.gem')
  t.match(await run('gem', ['build', 'hart-depot-client.gemspec', '--output', file]), { code: 0 })
  const install = ['install', '--local', '--no-document', '--install-dir', join(folder, 'gems'), file]
  t.match(await run('gem', install), { code: 0 })
  t.strictSame(await readdir(join(folder, 'gems/gems')), ['hart-depot-client-1.0.0.alpha.1'])
  const loading = "gem 'hart-depot-client'; require 'habitat/client'; puts Habitat::Client::VERSION"
  t.match(await run('ruby', ['-e', loading], { GEM_PATH: join(folder, 'gems') }), {
    code: 0,
    output: '1.0.0.alpha.1\n',
  })
})
