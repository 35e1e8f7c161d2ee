import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, symlink } from 'node:fs/promises'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { test } from 'tap'
import { parse } from 'yaml'
import { z } from 'zod'
import { readConfig, VARIABLES } from '../src/config/config.ts'
import { runToEnd, scratchFolder } from './support/run-cli.ts'

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

const Compose = z.object({
  services: z.object({
    depot: z.object({
      ports: z.array(z.string()),
      environment: z.record(z.string(), z.string()),
      volumes: z.array(z.string()),
    }),
  }),
  volumes: z.record(z.string(), z.unknown()),
})
const composeText = read('docker-compose.yml')
const {
  services: { depot },
  volumes,
} = Compose.parse(parse(composeText, { merge: true }))

const dockerfile = read('Dockerfile').replaceAll('\\\n', '').split('\n')
const instructions = (name: string) =>
  dockerfile.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1))
const environment = instructions('ENV')
  .join(' ')
  .split(' ')
  .map((pair) => pair.split('=', 2) as [string, string])
const imageSettings = Object.fromEntries(environment.filter(([name]) => name.startsWith('DEPOT_')))
const sources = instructions('COPY')
  .filter((line) => !line.startsWith('--from'))
  .flatMap((line) => line.split(' ').slice(0, -1))

test('docker-compose.yml conforms to the Compose Specification', (t) => {
  const isCompose = composeSchema()
  t.ok(isCompose(parse(composeText, { merge: true })), JSON.stringify(isCompose.errors))
  t.notOk(isCompose(parse(composeText.replace('restart:', 'restarts:'))), 'a misspelt key does not conform')
  t.notOk(isCompose(parse(composeText.replace('11m', 'soon'))), 'a malformed duration does not conform')
  t.end()
})

test('every source of COPY exists and is allowed by .dockerignore', (t) => {
  const allowed = read('.dockerignore')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1))
  for (const source of sources) t.ok(existsSync(new URL(`../${source}`, import.meta.url)), `${source} exists`)
  t.strictSame(allowed.toSorted(), [...new Set(sources)].toSorted())
  t.end()
})

test('image and compose file set only known variables, to valid values', (t) => {
  for (const name of Object.keys({ ...imageSettings, ...depot.environment }))
    t.ok(VARIABLES.includes(name), name)
  for (const [name, value] of Object.entries(depot.environment))
    t.equal(value, `\${${name}:-}`, `${name} is optional and comes from the variable of the same name`)
  t.match(readConfig(imageSettings), { host: '0.0.0.0', dataFolder: '/data' })
  t.end()
})

test('the nodes of the cluster have known settings', (t) => {
  const { services } = z
    .object({
      services: z.record(
        z.string(),
        z.looseObject({ environment: z.record(z.string(), z.string()).optional() }),
      ),
    })
    .parse(parse(composeText, { merge: true }))
  for (const name of ['node1', 'node2', 'migrate'])
    for (const variable of Object.keys(services[name]?.environment ?? {}))
      t.ok(VARIABLES.includes(variable), variable)
  t.equal(
    new Set(['node1', 'node2', 'migrate'].map((name) => services[name]?.environment?.['DEPOT_DATA'])).size,
    3,
  )
  t.end()
})

test('image and compose file use the default port', (t) => {
  const { port } = readConfig({})
  t.equal(readConfig(imageSettings).port, port)
  t.strictSame(instructions('EXPOSE'), [String(port)])
  t.strictSame(depot.ports, [`127.0.0.1:${port}:${port}`])
  t.end()
})

test('the data folder is a volume of the image and a named volume of the compose file', (t) => {
  t.strictSame(instructions('VOLUME'), [imageSettings['DEPOT_DATA']])
  t.strictSame(depot.volumes, [`data:${imageSettings['DEPOT_DATA']}`])
  t.ok('data' in volumes)
  t.end()
})

test('the image has the same major Node version as the package, runs without root, and starts an existing file', (t) => {
  const { optionalDependencies } = z
    .object({ optionalDependencies: z.record(z.string(), z.string()) })
    .parse(JSON.parse(read('package.json')))
  const majors = new Set(
    Object.entries(optionalDependencies)
      .filter(([name]) => name.startsWith('node-'))
      .map(([, version]) => version.split('.')[0]),
  )
  t.strictSame(new Set(instructions('FROM').map((image) => /^node:(\d+)-/.exec(image)?.[1])), majors)
  t.match(
    instructions('USER'),
    [/^[1-9]\d*:[1-9]\d*$/],
    'the user is a number, as runAsNonRoot of Kubernetes requires',
  )
  const [program, command] = z.array(z.string()).parse(JSON.parse(instructions('CMD').at(-1) ?? ''))
  t.strictSame([program, command], ['hart-depot', 'serve'])
  const [, target = ''] = /ln -s \/app\/(\S+) \/usr\/local\/bin\/hart-depot/.exec(dockerfile.join('\n')) ?? []
  t.ok(sources.includes(target), target)
  t.end()
})

test('the health check of the image uses DEPOT_LISTEN', async (t) => {
  const [, json = ''] = /CMD (\[.*\])$/.exec(instructions('HEALTHCHECK')[0] ?? '') ?? []
  const [program, ...args] = z.array(z.string()).parse(JSON.parse(json))
  t.equal(program, 'hart-depot')
  const server = createServer((request, response) =>
    response.writeHead(request.url === '/healthz' ? status : 404).end(),
  )
  let status = 200
  t.teardown(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const configured = { DEPOT_LISTEN: `127.0.0.1:${port}` }
  t.match(await runToEnd(args, configured), {
    code: 0,
    stdout: `the depot at http://127.0.0.1:${port}/healthz is healthy\n`,
  })
  status = 503
  t.match(await runToEnd(args, configured), {
    code: 1,
    stdout: '',
    stderr: `hart-depot: the depot at http://127.0.0.1:${port}/healthz answered 503\n`,
  })
  t.match(await runToEnd(args, { DEPOT_LISTEN: '127.0.0.1:9' }), {
    code: 1,
    stderr: 'hart-depot: no depot answers at http://127.0.0.1:9/healthz\n',
  })
})

/**
 * Adapts the schema to ajv: it has `id` for `$id` and another address of its draft, and does not define its
 * formats.
 */
function composeSchema() {
  const { $schema: _, ...schema } = z
    .looseObject({ $schema: z.string() })
    .parse(JSON.parse(read('test/fixtures/compose-spec.json')))
  const ports = /^((\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:]+\]):)?(\d+(-\d+)?:)?\d+(-\d+)?(\/(tcp|udp))?$/
  const formats = {
    duration: /^(\d+(us|ms|s|m|h))+$/,
    ports,
    expose: /^\d+(-\d+)?(\/(tcp|udp))?$/,
    subnet_ip_address: /^[0-9a-f.:]+\/\d+$/,
  }
  return new Ajv2019({ strict: false, allErrors: true, formats }).removeKeyword('id').compile(schema)
}

test('the bin runs by its relative path, whatever CDPATH is', async (t) => {
  const folder = await scratchFolder(t)
  await mkdir(join(folder, 'node_modules', '.bin'), { recursive: true })
  await symlink(fileURLToPath(new URL('..', import.meta.url)), join(folder, 'node_modules', 'hart-depot'))
  await symlink('../hart-depot/launch', join(folder, 'node_modules', '.bin', 'hart-depot'))
  const { stdout } = await promisify(execFile)('node_modules/.bin/hart-depot', ['--version'], {
    cwd: folder,
    env: { ...process.env, CDPATH: '.' },
  })
  t.match(stdout, /^hart-depot \d/)
})
