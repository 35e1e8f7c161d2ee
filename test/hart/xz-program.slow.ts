import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { readArchive } from '../../src/hart/archive.ts'
import { signHart } from '../../src/hart/pack.ts'
import { PayloadFile } from '../../src/hart/payload-file.ts'
import { DECODE_WINDOW_BYTES, decodeXz } from '../../src/hart/xz-decoder.ts'
import { blocksOf } from '../../src/hart/xz.ts'
import { decodeByProgram, hasXzProgram } from '../../src/hart/xz-program.ts'
import { buildHart, buildTar, buildXz, joinXz, makeKeys } from '../support/build-hart.ts'

const options = { skip: hasXzProgram() ? false : 'this machine has no xz of 5.4 or later' }
const MIB = 1024 * 1024

function fixture(name: string): Buffer {
  return readFileSync(new URL(`../fixtures/xz/${name}`, import.meta.url))
}

function save(folder: string, ...parts: readonly Buffer[]): string {
  const path = join(folder, 'file')
  writeFileSync(path, Buffer.concat(parts))
  return path
}

async function collect(path: string, where: { start: number; skipped: number }): Promise<Buffer> {
  const pieces: Buffer[] = []
  await decodeByProgram(path, where, (bytes) => {
    pieces.push(Buffer.from(bytes))
    return 'more'
  })
  return Buffer.concat(pieces)
}

async function decodeHere(path: string): Promise<Buffer> {
  using file = new PayloadFile(path, { payloadOffset: 0, windowBytes: DECODE_WINDOW_BYTES })
  const pieces: Buffer[] = []
  await decodeXz(file, blocksOf(file), {
    write(bytes) {
      pieces.push(Buffer.from(bytes))
      return 'more'
    },
    skip: () => false,
  })
  return Buffer.concat(pieces)
}

/** Returns the ids of the running xz programs of this process. Works only on Linux. */
function programs(): string[] {
  if (process.platform !== 'linux') return []
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8')
    .split(' ')
    .filter((pid) => pid !== '')
  return children.filter((pid) => nameOf(pid) === 'xz')
}

function nameOf(pid: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return undefined // the program has ended meanwhile
  }
}

/** Returns the path of a descriptor of this process, if it is still open. Works only on Linux. */
function targetOf(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return undefined // the descriptor of the list itself, for example
  }
}

/** Leaves out the programs of other test files, which may still be ending. */
const earlier = new Set(programs())

function running(): number {
  return programs().filter((pid) => !earlier.has(pid)).length
}

test(
  'gives what the other decoder gives, from any place of a file, less what is skipped',
  options,
  async (t) => {
    const samples = [
      fixture('possums-9.tar.xz'),
      fixture('possums-blocks.tar.xz'),
      joinXz(buildXz(Buffer.from('one')), buildXz(), buildXz(Buffer.from(' two'))),
    ]
    for (const sample of samples) {
      const expected = await decodeHere(save(t.testdir(), sample))
      for (const before of [0, 1, 70_000]) {
        for (const skipped of [0, 1, expected.length - 1, expected.length]) {
          const found = await collect(save(t.testdir(), Buffer.alloc(before, 7), sample), {
            start: before,
            skipped,
          })
          t.ok(found.equals(expected.subarray(skipped)), `${before} before, ${skipped} skipped`)
        }
      }
    }
  },
)

test('a canceled or failing decoder leaves no process behind', options, async (t) => {
  const path = save(t.testdir(), fixture('zeros-64MiB.xz'))
  let taken = 0
  await decodeByProgram(path, { start: 0, skipped: 0 }, (bytes) => {
    taken += bytes.length
    return 'enough'
  })
  t.ok(taken > 0 && taken <= MIB, `${taken}`)
  t.equal(running(), 0)
  await t.rejects(
    decodeByProgram(path, { start: 0, skipped: 0 }, () => {
      throw new Error('output failed')
    }),
    { message: 'output failed' },
  )
  t.equal(running(), 0)
})

test('a file that cannot be read is closed', async (t) => {
  if (process.platform !== 'linux') return
  const folder = t.testdir()
  await t.rejects(
    decodeByProgram(folder, { start: 1, skipped: 0 }, () => 'more'),
    { code: 'EISDIR' },
  )
  const open = readdirSync('/proc/self/fd').filter((fd) => targetOf(fd) === folder)
  t.strictSame(open, [])
})

test('damaged data is refused', options, async (t) => {
  const damaged = Buffer.from(fixture('possums-blocks.tar.xz'))
  const at = Math.floor(damaged.length / 2)
  damaged.writeUInt8(damaged.readUInt8(at) ^ 1, at)
  await t.rejects(collect(save(t.testdir(), damaged), { start: 0, skipped: 0 }), {
    code: 'hart_malformed',
    message: /damaged in its data/,
  })
  await t.rejects(collect(save(t.testdir(), Buffer.from('no xz at all')), { start: 0, skipped: 0 }), {
    code: 'hart_malformed',
  })
  t.equal(running(), 0)
})

test('an archive with its metadata last gives the same result with and without xz', options, async (t) => {
  const { bytes } = buildHart({ ident: 'acme/app/1.0.0/20260101120000' })
  const metafiles = await decodeHere(
    save(t.testdir(), bytes.subarray(signHart(Buffer.alloc(0), makeKeys('acme').secretKey).length)),
  )
  const content = 'x'.repeat(MIB)
  const files = Array.from({ length: 80 }, (_, i) => ({
    path: `hab/pkgs/acme/app/1.0.0/20260101120000/share/${i}`,
    content,
  }))
  const path = save(t.testdir(), buildXz(buildTar(files).subarray(0, -1024), metafiles))
  const found = await readArchive(path, 0, { withProgram: true })
  t.equal(found.ident.version, '1.0.0')
  t.strictSame(found, await readArchive(path, 0))

  const { PATH } = process.env
  process.env['PATH'] = t.testdir()
  t.teardown(() => void (process.env['PATH'] = PATH))
  await t.rejects(readArchive(path, 0, { withProgram: true }), { code: 'ENOENT' }, 'the program was used')
})

test('blocks in the middle of a large file are not decoded', async (t) => {
  const { bytes } = buildHart({ ident: 'acme/app/1.0.0/20260101120000' })
  const metafiles = await decodeHere(
    save(t.testdir(), bytes.subarray(signHart(Buffer.alloc(0), makeKeys('acme').secretKey).length)),
  )
  const path = 'hab/pkgs/acme/app/1.0.0/20260101120000/bin/app'
  const tar = Buffer.concat([
    buildTar([{ path, content: 'x'.repeat(3 * MIB) }]).subarray(0, -1024),
    metafiles,
  ])
  const middle = buildXz(tar.subarray(MIB, 2 * MIB))
  const damaged = Buffer.from(middle)
  damaged.writeUInt8(damaged.readUInt8(MIB / 2) ^ 1, MIB / 2)
  const archive = (block: Buffer) =>
    save(t.testdir(), joinXz(buildXz(tar.subarray(0, MIB)), block, buildXz(tar.subarray(2 * MIB))))
  t.strictSame(await readArchive(archive(damaged), 0), await readArchive(archive(middle), 0))
})
