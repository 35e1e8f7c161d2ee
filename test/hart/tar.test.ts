import { test } from 'tap'
import { BLOCK, formatTarHeader, parseTarHeader } from '../../src/hart/tar-header.ts'
import { MAX_EXTENSION_BYTES, MAX_PATH_LENGTH, READ_STEP_BYTES, TarReader } from '../../src/hart/tar.ts'
import type { TarEntry } from '../../src/hart/tar.ts'
import { buildTar, paxEntry } from '../support/build-hart.ts'
import type { Entry } from '../support/build-hart.ts'

/** Returns each entry with its content, as the reader reports it. */
function readTar(tar: Buffer, chunkBytes = tar.length): (TarEntry & { content: string })[] {
  const entries: (TarEntry & { content: string })[] = []
  const reader = new TarReader({
    complete: false,
    visit(entry) {
      const read = { ...entry, content: '' }
      entries.push(read)
      return {
        write: (bytes) => (read.content += Buffer.from(bytes).toString('latin1')),
        end: () => (read.content += '.'),
      }
    },
  })
  for (let at = 0; at < tar.length; at += chunkBytes) reader.write(tar.subarray(at, at + chunkBytes))
  reader.end()
  return entries
}

test('tar headers are read as written, with sizes beyond 8 GiB', (t) => {
  for (const sizeBytes of [0, 1, 8 ** 11 - 1, 8 ** 11, 2 ** 40]) {
    const header = { path: 'hab/x', typeFlag: '0', sizeBytes, link: 'to' }
    t.strictSame(parseTarHeader(formatTarHeader(header)), header)
  }
  t.end()
})

test('content that nobody reads can be skipped, and other bytes cannot', (t) => {
  const tar = buildTar([
    { path: 'unread', content: 'x'.repeat(3 * BLOCK + 1) },
    { path: 'read', content: 'three' },
  ])
  let content = ''
  const reader = new TarReader({
    complete: false,
    visit: ({ path }) =>
      path === 'read'
        ? { write: (bytes) => (content += Buffer.from(bytes).toString()), end: () => (content += '.') }
        : undefined,
  })
  t.notOk(reader.skip(1), 'a header')
  reader.write(tar.subarray(0, BLOCK + 1))
  t.equal(reader.unwantedBytes, 3 * BLOCK)
  t.notOk(reader.skip(3 * BLOCK + 1), 'the padding')
  t.ok(reader.skip(3 * BLOCK))
  reader.write(tar.subarray(4 * BLOCK + 1, 6 * BLOCK + 1))
  t.notOk(reader.skip(1), 'content that has a sink')
  reader.write(tar.subarray(6 * BLOCK + 1))
  reader.end()
  t.equal(content, 'three.')
  t.end()
})

test('entries and their contents are found, wherever chunks are split', (t) => {
  const tar = buildTar([
    { path: 'd/', typeFlag: '5' },
    { path: 'd/a', content: 'x'.repeat(BLOCK) },
    { path: 'd/b', content: '' },
    { path: 'd/c', content: 'three' },
    { path: 'd/l', typeFlag: '2', link: 'c' },
    { path: 'd/h', typeFlag: '1', link: 'd/c' },
  ])
  const whole = readTar(tar)
  t.strictSame(
    whole.map(({ path, type, sizeBytes, link, content }) => [path, type, sizeBytes, link, content]),
    [
      ['d/', 'folder', 0, '', '.'],
      ['d/a', 'file', BLOCK, '', `${'x'.repeat(BLOCK)}.`],
      ['d/b', 'file', 0, '', '.'],
      ['d/c', 'file', 5, '', 'three.'],
      ['d/l', 'symlink', 0, 'c', '.'],
      ['d/h', 'hardlink', 0, 'd/c', '.'],
    ],
  )
  for (const chunkBytes of [1, 3, 511, 512, 513])
    t.strictSame(readTar(tar, chunkBytes), whole, `${chunkBytes} at a time`)
  t.end()
})

test('GNU long names apply to the next entry only', (t) => {
  const path = `d/${'n'.repeat(300)}`
  const link = 'l'.repeat(200)
  const tar = buildTar([
    { path: '././@LongLink', typeFlag: 'L', content: `${path}\0` },
    { path: '././@LongLink', typeFlag: 'K', content: `${link}\0` },
    { path: 'd/short', typeFlag: '2', link: 'short' },
    { path: 'd/next', content: 'x' },
  ])
  t.match(readTar(tar), [
    { path, link },
    { path: 'd/next', link: '' },
  ])
  t.end()
})

test('headers that give one entry different paths are refused, as readers differ about which counts', (t) => {
  const named = { path: '././@LongLink', typeFlag: 'L', content: 'd/one\0' }
  const file = { path: 'd/short', content: 'x' }
  t.throws(() => readTar(buildTar([named, paxEntry({ path: 'd/other' }), file])), { code: 'hart_malformed' })
  t.match(readTar(buildTar([named, paxEntry({ path: 'd/one' }), file])), [{ path: 'd/one' }])
  t.end()
})

test('pax headers set path, link and size for one entry or for all', (t) => {
  const tar = buildTar([
    paxEntry({ linkpath: 'everywhere', comment: 'é' }, 'g'),
    paxEntry({ path: 'd/ünï', size: '3', mtime: '1.5' }),
    { path: 'ignored', content: 'abc', declaredBytes: 0 },
    { path: 'd/b', content: 'x' },
  ])
  t.match(readTar(tar), [
    { path: 'd/ünï', sizeBytes: 3, content: 'abc.', link: 'everywhere' },
    { path: 'd/b', sizeBytes: 1, link: 'everywhere' },
  ])
  t.end()
})

test("the prefix of ustar is joined, and GNU's field in its place is not", (t) => {
  const block = formatTarHeader({ path: 'name', typeFlag: '0', sizeBytes: 0, link: '' })
  block.write('prefix', 345)
  t.equal(parseTarHeader(withChecksum(block))?.path, 'prefix/name')
  block.write('ustar  \0', 257)
  t.equal(parseTarHeader(withChecksum(block))?.path, 'name')
  t.end()
})

test('bytes after the end are ignored', (t) => {
  t.equal(readTar(Buffer.concat([buildTar([{ path: 'a' }]), Buffer.from('anything')])).length, 1)
  t.end()
})

function readUntilComplete(tar: Buffer, chunkBytes: number): TarReader {
  const visitor = {
    complete: false,
    visit: () => ({ write: () => undefined, end: () => (visitor.complete = true) }),
  }
  const reader = new TarReader(visitor)
  for (let at = 0; at < tar.length && !reader.done; at += chunkBytes)
    reader.write(tar.subarray(at, at + chunkBytes))
  return reader
}

const UNREADABLE = { path: 'b', typeFlag: '?' }

test('the reader stops after the step in which the visitor is complete, wherever chunks end', (t) => {
  const tar = buildTar([
    { path: 'a', content: 'x' },
    { path: 'large', content: 'x'.repeat(READ_STEP_BYTES) },
    UNREADABLE,
  ])
  for (const chunkBytes of [511, 65536, tar.length]) {
    const reader = readUntilComplete(tar, chunkBytes)
    t.equal(reader.done, true)
    t.doesNotThrow(() => reader.end())
  }
  t.end()
})

test('the reader reads to the end of the step in which the visitor is complete', (t) => {
  const tar = buildTar([
    { path: 'a', content: 'x' },
    { path: 'large', content: 'x'.repeat(READ_STEP_BYTES - 4 * BLOCK) },
    UNREADABLE,
  ])
  for (const chunkBytes of [511, 65536, tar.length])
    t.throws(() => readUntilComplete(tar, chunkBytes), { message: /unknown type/ })
  t.end()
})

test('an archive truncated at any block is refused', (t) => {
  const tar = buildTar([{ path: 'a', content: 'x'.repeat(2 * BLOCK) }])
  for (let length = 0; length <= tar.length - 2 * BLOCK; length += 256) {
    t.throws(() => readTar(tar.subarray(0, length)), {
      code: 'hart_malformed',
      message: /its archive is cut off/,
    })
  }
  t.end()
})

const hostile: [string, Entry[], RegExp][] = [
  [
    'a long name of 2 GB',
    [{ path: 'L', typeFlag: 'L', declaredBytes: 2 ** 31 }],
    /2147483648 bytes long; the limit is 1048576/,
  ],
  [
    'a pax header of 2 GB',
    [{ path: 'x', typeFlag: 'x', declaredBytes: 2 ** 31 }],
    /2147483648 bytes long; the limit is 1048576/,
  ],
  [
    'a global pax header one byte too long',
    [{ path: 'g', typeFlag: 'g', declaredBytes: MAX_EXTENSION_BYTES + 1 }],
    /the limit is 1048576/,
  ],
  [
    'a path that is too long',
    [paxEntry({ path: 'p'.repeat(MAX_PATH_LENGTH + 1) }), { path: 'a' }],
    /path of more than 4096/,
  ],
  ['a path with NUL', [paxEntry({ path: 'a\0b' }), { path: 'a' }], /NUL/],
  [
    'a pax record that overruns',
    [{ path: 'x', typeFlag: 'x', content: '99 path=a\n' }, { path: 'a' }],
    /damaged pax header/,
  ],
  [
    'a pax record without a length',
    [{ path: 'x', typeFlag: 'x', content: 'path=a\n' }, { path: 'a' }],
    /damaged pax header/,
  ],
  [
    'a pax record of no length',
    [{ path: 'x', typeFlag: 'x', content: '0 path=a\n' }, { path: 'a' }],
    /damaged pax header/,
  ],
  [
    'a pax record without a key',
    [{ path: 'x', typeFlag: 'x', content: '7 path\n' }, { path: 'a' }],
    /damaged pax header/,
  ],
  ['a pax size that is none', [paxEntry({ size: '-1' }), { path: 'a' }], /pax header with the size "-1"/],
  [
    'a pax size beyond counting',
    [paxEntry({ size: '9999999999999999' }), { path: 'a' }],
    /pax header with the size/,
  ],
  ['a sparse file of pax', [paxEntry({ 'GNU.sparse.name': 'b' }), { path: 'a' }], /sparse file/],
  ['a sparse file of GNU', [{ path: 'a', typeFlag: 'S' }], /unknown type "S"/],
  ['a folder with content', [{ path: 'a/', typeFlag: '5', content: 'x' }], /is not a file but has content/],
  [
    'a link with content',
    [{ path: 'a', typeFlag: '2', link: 'b', content: 'x' }],
    /is not a file but has content/,
  ],
  ['an old folder with content', [{ path: 'a/', content: 'x' }], /is not a file but has content/],
]

for (const [what, entries, why] of hostile) {
  test(`refuses ${what}`, (t) => {
    t.throws(() => readTar(buildTar(entries)), { code: 'hart_malformed', message: why })
    t.end()
  })
}

test('a header with a wrong checksum is refused', (t) => {
  const tar = buildTar([{ path: 'a' }])
  tar.write('b')
  t.throws(() => readTar(tar), { code: 'hart_malformed', message: /wrong checksum/ })
  t.end()
})

test('a malformed, negative or too large number is refused', (t) => {
  const block = formatTarHeader({ path: 'a', typeFlag: '0', sizeBytes: 0, link: '' })
  block.write('9', 134)
  t.throws(() => parseTarHeader(withChecksum(block)), {
    code: 'hart_malformed',
    message: /where a number belongs/,
  })
  for (const first of [0xff, 0x80]) {
    block.fill(0xff, 124, 136).writeUInt8(first, 124)
    t.throws(() => parseTarHeader(withChecksum(block)), {
      code: 'hart_malformed',
      message: /impossible size/,
    })
  }
  t.end()
})

test('an archive that continues after one block of zeros is refused', (t) => {
  const tar = Buffer.concat([buildTar([{ path: 'a' }]).subarray(0, 2 * BLOCK), buildTar([{ path: 'b' }])])
  t.throws(() => readTar(tar), { code: 'hart_malformed', message: /continues after its end/ })
  t.end()
})

function withChecksum(block: Buffer): Buffer {
  block.fill(' ', 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}
