import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, lstat, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'tap'
import type { Test } from 'tap'
import { Blake2b } from '../../src/hart/blake2b.ts'

// Installs the depot like an operator: as a clone without development packages, and as the package that `npm
// pack` makes of a build. Takes packages from npm's cache or from the registry. Run it with `npm run
// test:install`.

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')
const FILES = ['package.json', 'package-lock.json', '.npmrc', 'launch', 'migrations', 'src']
/**
 * The limit for all packages except the packaged Node, which is for machines with an older one. The AWS SDK,
 * which is optional, takes 23 of them.
 */
const MAX_MB = 103
const PACKAGED_NODE = /^node-(?:bin-)?(?:linux|darwin)-/
const TOKEN = 'hart_of_the_test_of_an_installation_0123456789'
const IDENT = 'happyhumans/possums/8.1.4/20160427165340'
const FIXTURES = join(ROOT, 'test/fixtures')

test('a depot installed by npm ci --omit=dev accepts, promotes, serves and verifies a package', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-install-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  for (const name of FILES) await cp(join(ROOT, name), join(folder, name), { recursive: true })
  await run('npm', ['ci', '--omit=dev', '--prefer-offline'], { cwd: folder })

  const { packages, packagedNode } = await measure(join(folder, 'node_modules'))
  console.error(`npm ci --omit=dev: ${packages} MB of packages, and ${packagedNode} MB of packaged Node`)
  t.ok(packages <= MAX_MB, `${packages} MB of packages; the limit is ${MAX_MB}`)

  const collector = await startCollector(t)
  const { environment } = collector
  await tryDepot(t, folder, [join(folder, 'launch'), 'src/main.ts'], { environment })
  t.strictSame(collector.paths, [], 'it has no libraries for traces, and works without them')
})

test('a packed depot runs its build in a folder that has only the package', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-pack-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await run('npm', ['run', 'build'], { cwd: ROOT })
  const { stdout } = await run('npm', ['pack', ROOT, '--json', '--pack-destination', folder], { cwd: folder })
  const [{ filename, files }] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }]
  t.strictSame(
    files.filter(({ path }) => path.startsWith('src/')),
    [],
    'it has no sources',
  )
  await run('npm', ['install', '--prefer-offline', join(folder, filename)], { cwd: folder })
  const collector = await startCollector(t)
  const use = async (url: string) => {
    await tryReference(t, url)
    await tryClient(folder, url)
  }
  const { environment } = collector
  await tryDepot(t, folder, [join(folder, 'node_modules/.bin/hart-depot')], { use, environment })
  t.strictSame([...new Set(collector.paths)], ['/v1/traces'], 'it sends traces')
})

/** Starts a server that takes traces, and returns the settings that lead a depot there. */
async function startCollector(
  t: Test,
): Promise<{ paths: readonly string[]; environment: Record<string, string> }> {
  const paths: string[] = []
  const server = createServer((request, answer) => {
    paths.push(request.url ?? '')
    request.resume().once('end', () => answer.writeHead(200).end())
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  return { paths, environment: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` } }
}

/** Reads the page of the reference and its files. */
async function tryReference(t: Test, url: string): Promise<void> {
  const page = await (await fetch(`${url}/docs/api`)).text()
  const files = [...page.matchAll(/(?:src|href)="(\/docs\/api\/[^"]+)"/g)]
  t.equal(files.length, 3, 'the page has its files')
  for (const [, file = ''] of files) t.equal((await fetch(`${url}${file}`)).status, 200, file)
}

/**
 * Checks and runs a program that uses the client of the installed package, in strict TypeScript and under the
 * Node of this machine.
 */
async function tryClient(folder: string, url: string): Promise<void> {
  await writeFile(
    join(folder, 'program.mts'),
    `import { DepotClient, RequestRefused } from 'hart-depot/client'
    import type { View } from 'hart-depot/client'

    const depot = new DepotClient({ url: '${url}', token: '${TOKEN}' })
    const views: View[] = []
    for await (const view of depot.each('listViews', {})) views.push(view)
    if (!views.some(({ name }) => name === 'acceptance')) throw new Error('acceptance is not listed')
    const refused: unknown = await depot.getView({ view: 'nowhere' }).catch((error: unknown) => error)
    if (!(refused instanceof RequestRefused) || refused.status !== 404) throw refused
    depot.close()`,
  )
  const options = [
    '--ignoreConfig',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2024',
    '--typeRoots',
    join(ROOT, 'node_modules/@types'),
  ]
  await run(join(ROOT, 'launch'), [
    'node_modules/typescript/bin/tsc',
    ...options,
    '--types',
    'node',
    join(folder, 'program.mts'),
  ])
  await run('node', [join(folder, 'program.mjs')])
}

/**
 * Publishes, promotes and verifies a package on a new depot in `folder`, which the command line `program`
 * runs.
 */
async function tryDepot(
  t: Test,
  folder: string,
  program: [string, ...string[]],
  {
    use = async () => undefined,
    environment,
  }: { use?: (url: string) => Promise<void>; environment: Record<string, string> },
): Promise<void> {
  const depot = await serve(t, folder, { program, environment })
  const hart = await readFile(
    join(FIXTURES, 'harts/happyhumans-possums-8.1.4-20160427165340-x86_64-linux.hart'),
  )
  const key = await readFile(join(FIXTURES, 'keys/happyhumans-20160424223347.pub'))
  const checksum = new Blake2b().update(hart).digest()
  await depot.post('origins', '{"name":"happyhumans"}')
  await depot.post('origins/happyhumans/keys/20160424223347', key)
  await depot.post(`pkgs/${IDENT}?checksum=${checksum}`, hart)
  await depot.post(`views/acceptance/pkgs/${IDENT}/promote`)
  const latest = await fetch(`${depot.url}/v1/depot/views/acceptance/pkgs/happyhumans/possums/latest`)
  t.match(await latest.json(), { ident: { version: '8.1.4', release: '20160427165340' }, checksum })

  await use(depot.url)
  await depot.stop()
  await t.resolves(run(...depot.command('verify', '--bytes')))
}

/** Returns the sizes on disk in megabytes. */
async function measure(folder: string): Promise<{ packages: number; packagedNode: number }> {
  const bytes = { packages: 0, packagedNode: 0 }
  for (const path of await readdir(folder, { recursive: true }))
    bytes[PACKAGED_NODE.test(path) ? 'packagedNode' : 'packages'] +=
      (await lstat(join(folder, path))).blocks * 512
  return {
    packages: Math.round(bytes.packages / 1024 ** 2),
    packagedNode: Math.round(bytes.packagedNode / 1024 ** 2),
  }
}

async function serve(
  t: Test,
  folder: string,
  {
    program: [program, ...given],
    environment,
  }: { program: [string, ...string[]]; environment: Record<string, string> },
) {
  const env = {
    ...process.env,
    ...environment,
    NODE_ENV: 'production',
    DEPOT_DATA: join(folder, 'data'),
    DEPOT_LISTEN: '127.0.0.1:0',
    DEPOT_ADMIN_TOKEN: TOKEN,
    DEPOT_LOG_LEVEL: 'warn',
  }
  const command = (...args: string[]): [string, string[], { env: NodeJS.ProcessEnv }] => [
    program,
    [...given, ...args],
    { env },
  ]
  const [, args, options] = command('serve')
  const server = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(server, 'exit')
  const stop = async () => {
    server.kill('SIGTERM')
    await ended
  }
  t.teardown(stop)

  const url = await new Promise<string>((resolve, reject) => {
    let written = ''
    server.stdout.setEncoding('utf8').on('data', (text: string) => {
      written += text
      const [, found] = /listens on (\S+)/.exec(written) ?? []
      if (found !== undefined) resolve(found)
    })
    server.once('exit', (code) => reject(new Error(`the depot ended with ${code}: ${written}`)))
  })

  return {
    url,
    command,
    stop,
    async post(path: string, body?: string | Uint8Array<ArrayBuffer>): Promise<void> {
      const response = await fetch(`${url}/v1/depot/${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}` },
        ...(body !== undefined && { body }),
      })
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    },
  }
}
