import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { Blake2b } from '../../src/hart/blake2b.ts'
import { packHart, signHart } from '../../src/hart/pack.ts'
import type { PackedFile } from '../../src/hart/pack.ts'
import type { PackageType } from '../../src/hart/metadata.ts'
import { BLOCK, formatTarHeader } from '../../src/hart/tar-header.ts'
import { storeXz } from '../../src/hart/xz-writer.ts'
import { publicHalf } from '../../src/hart/origin-key.ts'
import type { PublicKey, SecretKey } from '../../src/hart/origin-key.ts'
import { formatIdent, hartFileName, parseIdent } from '../../src/package/ident.ts'
import type { Ident } from '../../src/package/ident.ts'
import type { Target } from '../../src/package/target.ts'

export interface Keys {
  readonly publicKey: PublicKey
  readonly secretKey: SecretKey
}

export interface BuildHartOptions {
  /** Default: `acme/app/1.0.0/20260101120000`. */
  readonly ident?: string
  readonly target?: Target
  /** Default: the keys of the ident's origin. */
  readonly keys?: Keys
  readonly manifest?: string
  readonly config?: string
  readonly deps?: readonly string[]
  readonly tdeps?: readonly string[]
  readonly buildDeps?: readonly string[]
  readonly buildTdeps?: readonly string[]
  readonly exposes?: readonly number[]
  readonly packageType?: PackageType
  readonly svcUser?: string
  readonly svcGroup?: string
  readonly files?: readonly PackedFile[]
  /** Contents of metafiles, by name. `undefined` omits the file. */
  readonly metafiles?: Readonly<Record<string, string | Uint8Array | undefined>>
  /** Further entries at the end, unchecked. */
  readonly entries?: readonly Entry[]
  readonly flaws?: readonly Flaw[]
}

/** An entry of an archive. It is not checked. */
export interface Entry {
  readonly path: string
  readonly typeFlag?: string
  readonly link?: string
  readonly content?: string | Uint8Array
  /** The size in the header, if it differs from the content's. */
  readonly declaredBytes?: number
}

export type Flaw =
  | 'wrong-signature' //       no key made the signature
  | 'signs-other-bytes' //     the signer signed another payload
  | 'signed-by-another' //     another key than the signer's made the signature
  | 'cut-off' //               the last bytes are missing, and the signature is valid for the rest
  | 'no-payload'
  | 'not-xz'
  | 'trailing-bytes' //        bytes follow the xz file
  | 'huge-dictionary' //       1.5 GiB
  | 'damaged-data' //          a byte in the middle of the compressed data differs
  | 'bad-tar-checksum'
  | 'no-tar-end'
  | 'no-IDENT'
  | 'no-TARGET'
  | 'no-MANIFEST'
  | 'other-IDENT' //           IDENT names another release than the folder
  | 'unknown-TARGET'
  | 'unknown-PACKAGE_TYPE'
  | 'partial-DEPS'

export interface BuiltHart {
  readonly bytes: Buffer
  /** BLAKE2b-256 of the bytes. */
  readonly checksum: string
  readonly ident: Ident
  readonly target: Target
  readonly fileName: string
  readonly keys: Keys
}

/** Derives a key pair from an origin and a revision, always the same. */
export function makeKeys(origin: string, revision = '20260101000000'): Keys {
  const seed = createHash('sha256').update(`${origin}-${revision}`).digest()
  const publicKey = publicHalf({ origin, revision, raw: seed })
  return { publicKey, secretKey: { origin, revision, raw: Buffer.concat([seed, publicKey.raw]) } }
}

/** Builds a package, valid unless `flaws`, `metafiles` or `entries` say otherwise. */
export function buildHart(options: BuildHartOptions = {}): BuiltHart {
  const ident = parseIdent(options.ident ?? 'acme/app/1.0.0/20260101120000')
  const target = options.target ?? 'x86_64-linux'
  const keys = options.keys ?? makeKeys(ident.origin)
  const plain =
    options.flaws === undefined && options.metafiles === undefined && options.entries === undefined
  const bytes = plain
    ? packHart(packOptions(options, ident, target, keys))
    : flawed(options, ident, target, keys)
  return {
    bytes,
    checksum: new Blake2b().update(bytes).digest(),
    ident,
    target,
    fileName: hartFileName(ident, target),
    keys,
  }
}

/** Builds a tar file of exactly these entries. */
export function buildTar(entries: readonly Entry[]): Buffer {
  return Buffer.concat([...entries.flatMap(tarEntry), Buffer.alloc(2 * BLOCK)])
}

/** Builds an uncompressed xz file. */
export function buildXz(...content: readonly Uint8Array[]): Buffer {
  return Buffer.concat([...storeXz(content)])
}

/** Joins the blocks of several xz files into one stream. The files must use the same kind of check. */
export function joinXz(...files: readonly Buffer[]): Buffer {
  const parts = files.map((file) => {
    const end = file.length - 12
    const index = file.subarray(end - (file.readUInt32LE(end + 4) + 1) * 4, end)
    return {
      blocks: file.subarray(12, end - index.length),
      count: index.readUInt8(1),
      records: index.subarray(2, -4),
    }
  })
  const records = parts.map(({ count, records: padded }) => numbersOf(padded, 2 * count))
  const content = Buffer.concat([
    Buffer.of(
      0,
      parts.reduce((sum, { count }) => sum + count, 0),
    ),
    ...records,
  ])
  if (content.readUInt8(1) >= 0x80) throw new Error('an index of 128 or more blocks needs a longer number')
  const index = withCrc(Buffer.concat([content, Buffer.alloc(-content.length & 3)]))
  const [first = Buffer.alloc(0)] = files
  const footer = withCrc(Buffer.concat([littleEndian(index.length / 4 - 1), first.subarray(6, 8)]))
  return Buffer.concat([
    first.subarray(0, 12),
    ...parts.map(({ blocks }) => blocks),
    index,
    footer.subarray(-4),
    footer.subarray(0, -4),
    Buffer.from('YZ'),
  ])
}

/** Builds a pax header for the next entry. */
export function paxEntry(records: Readonly<Record<string, string>>, typeFlag: 'x' | 'g' = 'x'): Entry {
  return {
    path: 'pax',
    typeFlag,
    content: Object.entries(records)
      .map(([key, value]) => paxRecord(key, value))
      .join(''),
  }
}

function packOptions(
  options: BuildHartOptions,
  ident: Ident,
  target: Target,
  keys: Keys,
): Parameters<typeof packHart>[0] {
  const {
    deps = [],
    tdeps = [],
    buildDeps = [],
    buildTdeps = [],
    metafiles: _,
    entries: __,
    flaws: ___,
    keys: ____,
    ...rest
  } = options
  return {
    ...rest,
    ident,
    target,
    secretKey: keys.secretKey,
    deps: deps.map(parseIdent),
    tdeps: tdeps.map(parseIdent),
    buildDeps: buildDeps.map(parseIdent),
    buildTdeps: buildTdeps.map(parseIdent),
    files: options.files ?? [{ path: 'bin/app', content: '#!/bin/sh\n', mode: 0o755 }],
  }
}

function flawed(options: BuildHartOptions, ident: Ident, target: Target, keys: Keys): Buffer {
  const has = (flaw: Flaw): boolean => options.flaws?.includes(flaw) ?? false
  const metafiles: Record<string, string | Uint8Array | undefined> = {
    IDENT: has('no-IDENT') ? undefined : `${formatIdent(ident)}${has('other-IDENT') ? '1' : ''}\n`,
    TARGET: has('no-TARGET') ? undefined : `${has('unknown-TARGET') ? 'vax-vms' : target}\n`,
    MANIFEST: has('no-MANIFEST') ? undefined : (options.manifest ?? `# ${ident.origin} / ${ident.name}\n`),
    DEPS: has('partial-DEPS') ? 'core/glibc\n' : lines(options.deps),
    TDEPS: lines(options.tdeps),
    BUILD_DEPS: lines(options.buildDeps),
    BUILD_TDEPS: lines(options.buildTdeps),
    EXPOSES: options.exposes?.join(' '),
    'default.toml': options.config,
    PACKAGE_TYPE: has('unknown-PACKAGE_TYPE') ? 'composite\n' : options.packageType,
    SVC_USER: options.svcUser,
    SVC_GROUP: options.svcGroup,
    ...options.metafiles,
  }
  const folder = `hab/pkgs/${formatIdent(ident)}/`
  const entries: Entry[] = [{ path: folder, typeFlag: '5' }]
  for (const [name, content] of Object.entries(metafiles))
    if (content !== undefined) entries.push({ path: folder + name, content })
  for (const file of options.files ?? [])
    if ('content' in file) entries.push({ path: folder + file.path, content: file.content })
  entries.push(...(options.entries ?? []))

  let tar = buildTar(entries)
  if (has('no-tar-end')) tar = tar.subarray(0, -2 * BLOCK)
  if (has('bad-tar-checksum')) tar.writeUInt8(tar.readUInt8(BLOCK) ^ 1, BLOCK)
  return sign(flawedPayload(buildXz(tar), has), keys, has)
}

function lines(idents: readonly string[] = []): string | undefined {
  return idents.length === 0 ? undefined : `${idents.join('\n')}\n`
}

function flawedPayload(xz: Buffer, has: (flaw: Flaw) => boolean): Buffer {
  if (has('no-payload')) return Buffer.alloc(0)
  if (has('not-xz')) return Buffer.from('PK\x03\x04 is a zip file')
  if (has('cut-off')) return xz.subarray(0, -5)
  if (has('trailing-bytes')) return Buffer.concat([xz, Buffer.from('and more')])
  if (has('damaged-data')) xz.writeUInt8(xz.readUInt8(xz.length >> 1) ^ 1, xz.length >> 1)
  if (has('huge-dictionary')) {
    // The block header is bytes 12 to 24. Its fifth byte is the size of the dictionary, its last four are the
    // checksum.
    xz.writeUInt8(37, 16)
    xz.writeUInt32LE(crc32(xz.subarray(12, 20)), 20)
  }
  return xz
}

function sign(payload: Buffer, keys: Keys, has: (flaw: Flaw) => boolean): Buffer {
  if (has('signed-by-another')) {
    const { raw } = makeKeys(keys.secretKey.origin, '20250101000000').secretKey
    return signHart(payload, { ...keys.secretKey, raw })
  }
  const hart = signHart(payload, keys.secretKey)
  const header = hart.subarray(0, hart.length - payload.length)
  if (has('signs-other-bytes'))
    return Buffer.concat([signHart(Buffer.from('other'), keys.secretKey).subarray(0, header.length), payload])
  if (has('wrong-signature')) {
    // The fourth line is the signature in base64. Changing its first character changes the first bits.
    const at = header.indexOf('\nBLAKE2b\n') + '\nBLAKE2b\n'.length
    hart.write(String.fromCharCode(header.readUInt8(at)) === 'A' ? 'B' : 'A', at)
  }
  return hart
}

function tarEntry(entry: Entry): Buffer[] {
  const content = Buffer.from(entry.content ?? '')
  const header = formatTarHeader({
    path: entry.path,
    typeFlag: entry.typeFlag ?? '0',
    sizeBytes: entry.declaredBytes ?? content.length,
    link: entry.link ?? '',
  })
  return [header, content, Buffer.alloc(-content.length & (BLOCK - 1))]
}

/** Returns the first numbers of an index. A byte below 0x80 ends a number. */
function numbersOf(bytes: Buffer, count: number): Buffer {
  let at = 0
  for (let left = count; left > 0; at += 1) if (bytes.readUInt8(at) < 0x80) left -= 1
  return bytes.subarray(0, at)
}

function withCrc(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, littleEndian(crc32(bytes))])
}

function littleEndian(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

/** Formats `{length} {key}={value}\n`. The length includes its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  let length = Buffer.byteLength(rest)
  while (String(length).length + Buffer.byteLength(rest) !== length)
    length = String(length).length + Buffer.byteLength(rest)
  return `${length}${rest}`
}
