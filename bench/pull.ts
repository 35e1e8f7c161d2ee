import { execFile } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import { formatIdent } from '../src/package/ident.ts'
import type { Ident } from '../src/package/ident.ts'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { makeIncompressible } from './fillings/harts.ts'
import { checksumOf, introduce, promote, TARGET, TOKEN, upload } from './clients/publisher.ts'
import { openScratch } from './scratch.ts'
import { startServer } from './servers/process.ts'
import { has } from './servers/program.ts'

// Measures `pull` to a folder and into an empty depot, against `curl`, which downloads the same files, and
// `b2sum`, which hashes them. Includes the start of the processes, and for the folder a `sync`. Processor
// time is that of the command, not of the depots.

const PACKAGES = 200
const ROUNDS = 3
const SIZE_KB = 256
const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const VIEW = 'delivered'

interface Sample {
  readonly cpuMs: number
  readonly wallMs: number
}

export async function measurePull(): Promise<Results> {
  const missing = ['curl', 'b2sum']
    .filter((program) => !has(program))
    .map((program) => `pull: ${program} is not installed`)
  if (missing.length > 0) return { measurements: [], limits: [], missing }
  await using scratch = await openScratch()
  await using source = await startServer('depot.ts', [join(scratch.path, 'source'), TOKEN])
  const idents = await publish(source.port, scratch.path)
  const url = `http://127.0.0.1:${source.port}`
  const token = join(scratch.path, 'token')
  await writeFile(token, TOKEN)
  const key = join(scratch.path, 'depot.key')
  await writeFile(key, await (await fetch(`${url}/api/v1/depot/keys/current`)).text())
  const config = join(scratch.path, 'curl.config')
  const carried = join(scratch.path, 'carried')
  const fetched = join(scratch.path, 'fetched')
  await writeFile(
    config,
    idents
      .map(
        (ident, index) =>
          `url = "${url}/v1/depot/pkgs/${formatIdent(ident)}/download?target=${TARGET}"\noutput = "${join(fetched, `${index}.hart`)}"\n`,
      )
      .join(''),
  )

  const download = 'curl -fsSZ --parallel-max 4 -K "$1" && b2sum -l 256 "$2"/* > /dev/null'
  const name = `${PACKAGES} packages of ${SIZE_KB} KB`
  const saved = await byTurns(ROUNDS, {
    depot: () =>
      inFolder(carried, '"$1" "$2" pull "$3" --view "$4" --key "$5" --save "$6" > /dev/null', [
        process.execPath,
        MAIN,
        url,
        VIEW,
        key,
        carried,
      ]),
    yardstick: () => inFolder(fetched, `${download} && sync "$2"/*`, [config, fetched]),
  })
  const pulled = await byTurns(ROUNDS, {
    async depot() {
      const data = join(scratch.path, 'destination')
      await rm(data, { recursive: true, force: true })
      await using destination = await startServer('depot.ts', [data, TOKEN])
      const to = `http://127.0.0.1:${destination.port}`
      return await timed(
        '"$1" "$2" pull "$3" --view "$4" --key "$5" --to "$6" --to-token-file "$7" > /dev/null',
        [process.execPath, MAIN, url, VIEW, key, to, token],
      )
    },
    yardstick: () => inFolder(fetched, download, [config, fetched]),
  })
  const measurements = (what: string, yardstick: string, samples: typeof saved): Measurement[] =>
    (
      [
        ['processor ms', ({ cpuMs }: Sample) => cpuMs],
        ['ms', ({ wallMs }: Sample) => wallMs],
      ] as const
    ).map(([unit, of]) => ({
      name: `${what} ${name}`,
      unit,
      depot: spreadOf(samples.depot.map(of)),
      yardstick: { name: yardstick, ...spreadOf(samples.yardstick.map(of)) },
    }))
  return {
    measurements: [
      ...measurements('pull to a folder of', 'curl + b2sum + sync', saved),
      ...measurements('pull into a depot of', 'curl + b2sum', pulled),
    ],
    limits: [],
    missing: [],
  }
}

async function publish(port: number, folder: string): Promise<Ident[]> {
  const secretKey = await introduce(port)
  const idents: Ident[] = []
  for (let index = 0; index < PACKAGES; index += 1) {
    const { path, ident } = makeIncompressible(join(folder, 'spare.hart'), {
      name: `package-${index}`,
      secretKey,
      sizeBytes: SIZE_KB * 1024,
      metadata: 'first',
    })
    await upload(port, ident, { path, checksum: await checksumOf(path) })
    await promote(port, ident, VIEW)
    idents.push(ident)
  }
  return idents
}

async function inFolder(folder: string, script: string, args: readonly string[]): Promise<Sample> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder)
  return timed(script, args)
}

/** Measures a command with bash's `time`. */
async function timed(script: string, args: readonly string[]): Promise<Sample> {
  const { PATH = '', HOME = '', TMPDIR = '/tmp' } = process.env
  const { stderr } = await promisify(execFile)(
    'bash',
    ['-c', `TIMEFORMAT='%R %U %S'; time { ${script}; } 2> /dev/null`, 'bash', ...args],
    { env: { PATH, HOME, TMPDIR, LC_ALL: 'C' } },
  )
  const [wall = Number.NaN, user = Number.NaN, system = Number.NaN] = stderr.trim().split(' ').map(Number)
  return { cpuMs: (user + system) * 1000, wallMs: wall * 1000 }
}

if (process.argv[1] === import.meta.filename) console.log(formatResults(await measurePull()))
