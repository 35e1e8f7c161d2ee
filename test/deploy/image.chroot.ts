import { execFile, spawn } from 'node:child_process'
import { cp, mkdir, readFile, rename, stat } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'tap'
import { scratchFolder } from '../support/run-cli.ts'
import { until } from '../support/until.ts'

// Runs the steps of the Dockerfile in a chroot of Debian, for machines without a container engine, and then
// the image: as its user, with a read-only root. Needs root, debootstrap and the registries, and takes some
// minutes: `npm run test:image`.

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')
const CACHE = join(ROOT, 'node_modules/.cache/hart-depot')
const BASE = join(CACHE, 'debian')
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'
const MIRROR = 'http://deb.debian.org/debian'
const PORT = 19_636

interface Instruction {
  readonly name: string
  readonly rest: string
}

/** A stage of a build. */
interface Stage {
  readonly root: string
  folder: string
  user: string
  readonly environment: Record<string, string>
  command: readonly string[]
  health: readonly string[]
}

/** Makes a root like that of `node:26-bookworm-slim`: Debian, Node and npm, and the user node. */
async function makeBase(): Promise<void> {
  if (existsSync(BASE)) return
  const making = `${BASE}.making`
  await mkdir(CACHE, { recursive: true })
  await run('rm', ['-rf', making])
  const packages = '--include=ca-certificates,libatomic1'
  await run('debootstrap', ['--variant=minbase', packages, 'bookworm', making, MIRROR])
  await cp(process.execPath, join(making, 'usr/local/bin/node'))
  const { stdout } = await run('npm', ['root', '-g'])
  await run('cp', ['-a', join(stdout.trim(), 'npm'), join(making, 'usr/local/lib/')])
  await run('ln', ['-s', '../lib/npm/bin/npm-cli.js', join(making, 'usr/local/bin/npm')])
  await run('cp', ['/etc/resolv.conf', '/etc/hosts', join(making, 'etc/')])
  await run('cp', ['-L', CERTIFICATES, join(making, 'etc/ssl/certs/')])
  await run('chroot', [making, 'groupadd', '-g', '1000', 'node'])
  await run('chroot', [making, 'useradd', '-u', '1000', '-g', '1000', '-m', 'node'])
  await rename(making, BASE)
}

const unquoted = (json: string): string[] => JSON.parse(json) as string[]

/** Carries out one instruction in a stage. */
async function execute(
  { name, rest }: Instruction,
  stage: Stage,
  stages: ReadonlyMap<string, Stage>,
): Promise<void> {
  const inImage = (path: string) => join(stage.root, path.startsWith('/') ? path : join(stage.folder, path))
  if (name === 'WORKDIR') {
    stage.folder = rest
    await mkdir(inImage(rest), { recursive: true })
  } else if (name === 'COPY') {
    const [, from, paths = ''] = /^(?:--from=(\S+) )?(.*)$/.exec(rest) ?? []
    const words = paths.split(' ')
    const target = inImage(words.at(-1) ?? '')
    const source = from === undefined ? ROOT : (stages.get(from)?.root ?? '')
    for (const word of words.slice(0, -1)) {
      const isFolder = (await stat(join(source, word))).isDirectory()
      await run('cp', ['-aT', join(source, word), isFolder ? target : join(target, word)])
    }
  } else if (name === 'RUN') {
    const command = ['sh', '-c', `cd ${stage.folder} && ${rest}`]
    await run('unshare', ['--mount', 'sh', '-ec', BUILDING, 'sh', stage.root, userOf(stage), ...command], {
      env: { ...environmentOf(stage), NODE_EXTRA_CA_CERTS: CERTIFICATES }, // a registry may have a private authority
      maxBuffer: 1 << 26,
    })
  } else if (name === 'ENV') {
    for (const pair of rest.split(' ')) {
      const [variable = '', value = ''] = pair.split('=')
      stage.environment[variable] = value
    }
  } else if (name === 'USER') stage.user = rest
  else if (name === 'VOLUME') await mkdir(join(stage.root, rest), { recursive: true })
  else if (name === 'CMD') stage.command = unquoted(rest)
  else if (name === 'HEALTHCHECK') stage.health = unquoted(/CMD (\[.*\])$/.exec(rest)?.[1] ?? '[]')
}

/** Runs the other arguments in the root `$1` as the user `$2`. */
const BUILDING = `
mount -t proc proc "$1/proc"; mount --rbind /dev "$1/dev"
root=$1 user=$2; shift 2; exec chroot "--userspec=$user" "$root" "$@"`

/** Does the same in a root that is read-only except for /tmp and /data, which is the folder `$3`. */
const RUNNING = `
mount --bind "$1" "$1"; mount -o remount,ro,bind "$1"
mount -t tmpfs tmpfs "$1/tmp"; mount --bind "$3" "$1/data"
mount -t proc proc "$1/proc"; mount --rbind /dev "$1/dev"
root=$1 user=$2; shift 3; exec chroot "--userspec=$user" "$root" "$@"`

function userOf({ user }: Stage): string {
  return user === '' ? '0:0' : user
}

function environmentOf({ environment }: Stage): Record<string, string> {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    ...environment,
  }
}

/** Builds the image of the Dockerfile below `folder`. */
async function build(folder: string): Promise<Stage> {
  const text = (await readFile(join(ROOT, 'Dockerfile'), 'utf8'))
    .replace(/^#.*\n/gm, '')
    .replaceAll('\\\n', ' ')
  const stages = new Map<string, Stage>()
  let stage: Stage | undefined
  for (const line of text.split('\n').filter((each) => each.trim() !== '')) {
    const [, name = '', rest = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? []
    if (name === 'FROM') {
      const label = / AS (\w+)$/.exec(rest)?.[1] ?? 'image'
      const root = join(folder, label)
      await run('cp', ['-a', BASE, root])
      stage = { root, folder: '/', user: '', environment: {}, command: [], health: [] }
      stages.set(label, stage)
    } else if (stage !== undefined) await execute({ name, rest }, stage, stages)
  }
  if (stage === undefined) throw new Error('the Dockerfile has no stage')
  return stage
}

/** Arguments of `unshare` that run a command in the image as an engine does. */
function contained(stage: Stage, data: string, command: readonly string[]): string[] {
  return ['--mount', 'sh', '-ec', RUNNING, 'sh', stage.root, userOf(stage), data, ...command]
}

test('the steps of the Dockerfile work, and the image serves as its user from a read-only root', async (t) => {
  await makeBase()
  const folder = await scratchFolder(t)
  const image = await build(folder)
  t.strictSame(image.command, ['hart-depot', 'serve'])
  const data = join(folder, 'volume')
  await mkdir(data)
  await run('chown', [image.user, data])
  const env = { ...environmentOf(image), DEPOT_LISTEN: `127.0.0.1:${PORT}` }

  const server = spawn('unshare', contained(image, data, image.command), {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [server.stdout, server.stderr])
    stream.setEncoding('utf8').on('data', (piece: string) => (output += piece))
  const ended = new Promise<number | null>((resolve) => server.once('exit', resolve))
  t.teardown(() => server.kill('SIGKILL'))
  await until('the depot listens', () => output.includes('hart-depot listens on') || server.exitCode !== null)
  t.match(output, /hart-depot listens on/)
  t.equal((await fetch(`http://127.0.0.1:${PORT}/readyz`)).status, 200)
  const health = await run('unshare', contained(image, data, image.health), { env })
  t.match(health.stdout, /is healthy/)
  const status = await readFile(`/proc/${server.pid}/status`, 'utf8')
  t.match(status, /^Uid:\s1000\s1000\s1000\s1000$/m)
  const refused = run('unshare', contained(image, data, ['sh', '-c', 'echo > /app/x']), { env })
  await t.rejects(refused, /Read-only file system/)
  server.kill('SIGTERM')
  t.equal(await ended, 0)
  const { stdout } = await run('du', ['-sm', '--apparent-size', join(image.root, 'app')])
  t.comment(`the depot takes ${stdout.split('\t')[0]} MB of the image`)
})
