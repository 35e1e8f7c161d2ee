import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { closeSync, openSync, readFileSync, readSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { parseHeader } from '../../src/hart/header.ts'
import { packHart, signHart } from '../../src/hart/pack.ts'
import type { PackedFile } from '../../src/hart/pack.ts'
import type { SecretKey } from '../../src/hart/origin-key.ts'
import { makeIdent, parseIdent } from '../../src/package/ident.ts'
import type { Ident } from '../../src/package/ident.ts'
import { ORIGIN, TARGET } from '../clients/publisher.ts'
import { packHartFile } from './pack-hart-file.ts'

/** A package file on disk. */
export interface HartFile {
  readonly path: string
  readonly ident: Ident
}

interface Making {
  readonly name: string
  /** The key of the package's origin. */
  readonly secretKey: SecretKey
  readonly sizeBytes: number
  readonly metadata: 'first' | 'last'
  readonly tdeps?: readonly Ident[]
}

const PIECE_BYTES = 1024 * 1024
// The fastest level, because decoding costs the same.
const LEVEL = '-1'
const HAB_BLOCK_BYTES = 24 * 1024 * 1024
const IN_BLOCKS = `-T0 --block-size=${HAB_BLOCK_BYTES}`
const FILE_BYTES = 400_000

/** Makes a package of random bytes, stored uncompressed. */
export function makeIncompressible(path: string, { sizeBytes, ...making }: Making): HartFile {
  const random = randomFillSync(Buffer.alloc(PIECE_BYTES))
  function* chunks() {
    for (let left = sizeBytes; left > 0; left -= PIECE_BYTES) yield random.subarray(0, left)
  }
  return pack(path, { ...making, files: [{ path: 'data', sizeBytes, chunks }] })
}

/**
 * Makes a package like a typical service: a manifest and a configuration of some kilobytes, and twenty
 * dependencies.
 */
export function makeService(path: string, ident: Ident, secretKey: SecretKey): HartFile {
  const tdeps = Array.from({ length: 20 }, (_, i) => parseIdent(`core/library-${i}/1.${i}.0/20250101000000`))
  const manifest = `# ${ORIGIN} / ${ident.name}\n\n${'A line of the plan that made it, as manifests carry it.\n'.repeat(60)}`
  const config = Array.from({ length: 40 }, (_, i) => `setting_${i} = "a value of the usual length"\n`).join(
    '',
  )
  writeFileSync(
    path,
    packHart({
      ident,
      target: TARGET,
      secretKey,
      tdeps,
      deps: tdeps.slice(0, 5),
      manifest,
      config,
      files: [{ path: 'bin/app', content: 'x' }],
    }),
  )
  return { path, ident }
}

/**
 * Makes a package of a program, compressed by `xz`, with the metadata last. Throws if `xz` is not installed.
 */
export function makeCompressed(path: string, secretKey: SecretKey, program: string): HartFile {
  const { size: sizeBytes } = statSync(program)
  function* chunks() {
    const fd = openSync(program, 'r')
    try {
      const piece = Buffer.alloc(PIECE_BYTES)
      for (let read = readSync(fd, piece); read > 0; read = readSync(fd, piece)) yield piece.subarray(0, read)
    } finally {
      closeSync(fd)
    }
  }
  const stored = `${path}.stored`
  const made = pack(stored, {
    name: 'program',
    secretKey,
    metadata: 'last',
    files: [{ path: 'bin/program', sizeBytes, chunks }],
  })
  compress(stored, path, secretKey)
  return { ...made, path }
}

interface ManyFiles {
  readonly name: string
  readonly program: string
  readonly sizeBytes: number
  /** Whether the archive is one block of xz. */
  readonly isOneBlock?: boolean
}

/**
 * Makes a package of many files, parts of a program, with the metadata last. By default, it is compressed in
 * blocks like those of `hab`.
 */
export function makeManyFiles(
  path: string,
  secretKey: SecretKey,
  { name, program, sizeBytes, isOneBlock = false }: ManyFiles,
): HartFile {
  const once = readFileSync(program)
  const content = Buffer.concat(
    Array.from({ length: Math.ceil(sizeBytes / once.length) }, () => once),
  ).subarray(0, sizeBytes)
  const count = Math.ceil(content.length / FILE_BYTES)
  const files = Array.from({ length: count }, (_, number) => ({
    path: `lib/${number}`,
    content: content.subarray(number * FILE_BYTES, (number + 1) * FILE_BYTES),
  }))
  const stored = `${path}.stored`
  const made = pack(stored, { name, secretKey, metadata: 'last', files })
  compress(stored, path, secretKey, isOneBlock ? '' : IN_BLOCKS)
  return { ...made, path }
}

/** Compresses the archive of a hart file, and removes the file. `options` are those of `xz`. */
function compress(stored: string, path: string, secretKey: SecretKey, options = IN_BLOCKS): void {
  const packed = `${path}.xz`
  execFileSync('sh', [
    '-c',
    `tail -c +"$1" "$2" | xz -dc | xz ${LEVEL} ${options} > "$3"`,
    'sh',
    String(payloadOffsetOf(stored) + 1),
    stored,
    packed,
  ])
  writeFileSync(path, signHart(readFileSync(packed), secretKey))
  rmSync(stored)
  rmSync(packed)
}

/** Returns the offset of the archive in a hart file. */
export function payloadOffsetOf(path: string): number {
  const fd = openSync(path, 'r')
  try {
    const start = Buffer.alloc(1024)
    readSync(fd, start)
    return parseHeader(start)?.payloadOffset ?? 0
  } finally {
    closeSync(fd)
  }
}

function pack(
  path: string,
  { name, files, ...options }: Omit<Making, 'sizeBytes'> & { files: readonly PackedFile[] },
): HartFile {
  const ident = makeIdent({
    origin: options.secretKey.origin,
    name,
    version: '1.0.0',
    release: '20260101120000',
  })
  packHartFile(path, { ...options, ident, target: TARGET, files })
  return { path, ident }
}
