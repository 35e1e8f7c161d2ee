import { formatIdent } from '../package/ident.ts'
import type { Ident } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { signWith } from './origin-key.ts'
import type { SecretKey } from './origin-key.ts'
import { Blake2b } from './blake2b.ts'
import { formatHeader } from './header.ts'
import type { Metafile, PackageType } from './metadata.ts'
import { BLOCK, formatTarHeader } from './tar-header.ts'
import { storeXz } from './xz-writer.ts'

/**
 * The content of a package. The metafiles are made from these fields. An empty field makes no metafile, as in
 * `hab`. FILES, with the hashes of all files but MANIFEST, is added.
 */
export interface PackOptions {
  readonly ident: Ident
  readonly target: Target
  readonly secretKey: SecretKey
  readonly files?: readonly PackedFile[]
  /** The text of MANIFEST. By default, it is made from the ident. */
  readonly manifest?: string
  readonly config?: string
  readonly deps?: readonly Ident[]
  readonly tdeps?: readonly Ident[]
  readonly buildDeps?: readonly Ident[]
  readonly buildTdeps?: readonly Ident[]
  readonly exposes?: readonly number[]
  readonly packageType?: PackageType
  readonly svcUser?: string
  readonly svcGroup?: string
  /** The place of the metafiles in the archive; `first` by default. */
  readonly metadata?: 'first' | 'last'
}

/**
 * One file of the package; `path` is relative to the package's folder. A large file comes in chunks, which
 * must have `sizeBytes` in total. `chunks` is called twice: the first time to hash the file.
 */
export type PackedFile =
  | { readonly path: string; readonly content: string | Uint8Array; readonly mode?: number }
  | {
      readonly path: string
      readonly sizeBytes: number
      readonly chunks: () => Iterable<Uint8Array>
      readonly mode?: number
    }

/** Makes a hart file in memory. The same options always give the same bytes. */
export function packHart(options: PackOptions): Buffer {
  return signHart(Buffer.concat([...packPayload(options)]), options.secretKey)
}

/** Returns the payload of a hart file in chunks, for files that do not fit into memory. */
export function packPayload(options: PackOptions): Iterable<Buffer> {
  return storeXz(tar(options))
}

/** Prepends the signed header to a payload, which need not be an archive. */
export function signHart(payload: Buffer, secretKey: SecretKey): Buffer {
  return Buffer.concat([signedHeader(new Blake2b().update(payload).digest(), secretKey), payload])
}

/**
 * Returns the header of a payload with this BLAKE2b-256 in hexadecimal. All headers of a key have the same
 * length.
 */
export function signedHeader(payloadHash: string, secretKey: SecretKey): Buffer {
  const message = Buffer.from(payloadHash, 'latin1')
  return formatHeader({
    signer: secretKey,
    signedMessage: Buffer.concat([signWith(secretKey, message), message]),
  })
}

/** Yields the tar file of a package. */
function* tar(options: PackOptions): Generator<Uint8Array, void> {
  const folder = `hab/pkgs/${formatIdent(options.ident)}/`
  yield* entryHeader({ path: folder, sizeBytes: 0, mode: 0o755 }, '5')
  const files = options.files ?? []
  const metafiles = metafilesOf(options)
  const listed = [...metafiles.filter((file) => file.path !== 'MANIFEST'), ...files]
  metafiles.push({ path: 'FILES', content: filesList(folder, listed, options.secretKey) })
  for (const file of options.metadata === 'last' ? [...files, ...metafiles] : [...metafiles, ...files])
    yield* entry(folder, file)
  yield Buffer.alloc(2 * BLOCK)
}

function metafilesOf(options: PackOptions): PackedFile[] {
  const contents: Record<Metafile, string> = {
    IDENT: identLines([options.ident]),
    TARGET: textLine(options.target),
    MANIFEST:
      options.manifest ??
      `# ${options.ident.origin} / ${options.ident.name}\n\n* __Version__: ${options.ident.version}\n* __Release__: ${options.ident.release}\n`,
    DEPS: identLines(options.deps),
    TDEPS: identLines(options.tdeps),
    BUILD_DEPS: identLines(options.buildDeps),
    BUILD_TDEPS: identLines(options.buildTdeps),
    EXPOSES: textLine(options.exposes?.join(' ') || undefined),
    'default.toml': options.config ?? '',
    PACKAGE_TYPE: textLine(options.packageType),
    SVC_USER: textLine(options.svcUser),
    SVC_GROUP: textLine(options.svcGroup),
  }
  return Object.entries(contents)
    .filter(([, content]) => content !== '')
    .map(([path, content]) => ({ path, content }))
}

function filesList(folder: string, files: readonly PackedFile[], secretKey: SecretKey): Buffer {
  const listed = files.map((file) => {
    const hash = new Blake2b()
    for (const chunk of chunksOf(file)) hash.update(chunk)
    return `${hash.digest()}  /${folder}${file.path}\n`
  })
  return signHart(Buffer.from(listed.join('')), secretKey)
}

function chunksOf(file: PackedFile): Iterable<Uint8Array> {
  return 'content' in file ? [Buffer.from(file.content)] : file.chunks()
}

function identLines(idents: readonly Ident[] = []): string {
  return idents.map((ident) => `${formatIdent(ident)}\n`).join('')
}

function textLine(text: string | undefined): string {
  return text === undefined ? '' : `${text}\n`
}

function* entry(folder: string, file: PackedFile): Generator<Uint8Array, void> {
  const sizeBytes = 'content' in file ? Buffer.byteLength(file.content) : file.sizeBytes
  yield* entryHeader({ path: folder + file.path, sizeBytes, mode: file.mode }, '0')
  let written = 0
  for (const chunk of chunksOf(file)) {
    written += chunk.length
    yield chunk
  }
  if (written !== sizeBytes) throw new RangeError(`${file.path} has ${written} bytes, not ${sizeBytes}`)
  yield Buffer.alloc(-sizeBytes & (BLOCK - 1))
}

function* entryHeader(
  file: { path: string; sizeBytes: number; mode: number | undefined },
  typeFlag: string,
): Generator<Uint8Array, void> {
  const header = { typeFlag, sizeBytes: file.sizeBytes, link: '', mode: file.mode ?? 0o644 }
  if (Buffer.byteLength(file.path) <= 100) {
    yield formatTarHeader({ ...header, path: file.path })
    return
  }
  // Writes a long path as the content of an extra entry before this one, as GNU tar does.
  const path = Buffer.from(`${file.path}\0`)
  yield formatTarHeader({ path: '././@LongLink', typeFlag: 'L', sizeBytes: path.length, link: '' })
  yield path
  yield Buffer.alloc(-path.length & (BLOCK - 1))
  yield formatTarHeader({ ...header, path: file.path.replaceAll(/[^ -~]/g, '_').slice(0, 100) })
}
