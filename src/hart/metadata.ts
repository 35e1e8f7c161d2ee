import { DepotError, quote } from '../errors.ts'
import { parseIdent } from '../package/ident.ts'
import type { Ident } from '../package/ident.ts'
import { parseTarget } from '../package/target.ts'
import type { Target } from '../package/target.ts'

/** The metadata in the archive of a package. */
export interface HartMetadata {
  readonly ident: Ident
  readonly target: Target
  /** Markdown, unchanged. */
  readonly manifest: string
  /** The text of `default.toml`, unchanged. */
  readonly config: string | undefined
  readonly deps: readonly Ident[]
  readonly tdeps: readonly Ident[]
  readonly buildDeps: readonly Ident[]
  readonly buildTdeps: readonly Ident[]
  readonly exposes: readonly number[]
  readonly packageType: PackageType
  readonly svcUser: string | undefined
  readonly svcGroup: string | undefined
}

export type PackageType = 'standard' | 'native'

const KIB = 1024
const MIB = 1024 * KIB

/**
 * The files in the package's folder that hold its metadata, and the maximum size of each in bytes. MANIFEST
 * contains the whole plan, and people write default.toml; lists of idents have a few hundred lines at most.
 */
export const METAFILES = {
  IDENT: 4 * KIB,
  TARGET: 4 * KIB,
  MANIFEST: 4 * MIB,
  DEPS: MIB,
  TDEPS: MIB,
  BUILD_DEPS: MIB,
  BUILD_TDEPS: MIB,
  EXPOSES: 64 * KIB,
  'default.toml': 4 * MIB,
  PACKAGE_TYPE: 4 * KIB,
  SVC_USER: 4 * KIB,
  SVC_GROUP: 4 * KIB,
} as const

export type Metafile = keyof typeof METAFILES

/** The metafiles that every package has. */
export const REQUIRED_METAFILES: readonly Metafile[] = ['IDENT', 'TARGET', 'MANIFEST']

export function isMetafile(name: string): name is Metafile {
  return Object.hasOwn(METAFILES, name)
}

/**
 * Parses the contents of the metafiles. `folder` is the `origin/name/version/release` that the archive
 * unpacks to. Throws `target_malformed` for an unknown target, and otherwise `hart_malformed` with the name
 * of the metafile.
 */
export function parseMetadata(
  contents: ReadonlyMap<Metafile, Buffer>,
  folder: string | undefined,
): HartMetadata {
  const texts = new Map([...contents].map(([name, content]) => [name, decode(name, content)]))
  const required = (name: Metafile): string => {
    const text = texts.get(name)
    if (text === undefined) throw malformed(name, 'it is not in the archive')
    return text
  }
  return {
    ident: readIdent(required('IDENT').trim(), folder),
    target: parseTarget(required('TARGET').trim()),
    manifest: required('MANIFEST'),
    config: texts.get('default.toml'),
    deps: readIdents('DEPS', texts.get('DEPS')),
    tdeps: readIdents('TDEPS', texts.get('TDEPS')),
    buildDeps: readIdents('BUILD_DEPS', texts.get('BUILD_DEPS')),
    buildTdeps: readIdents('BUILD_TDEPS', texts.get('BUILD_TDEPS')),
    exposes: readPorts(texts.get('EXPOSES')),
    packageType: readPackageType(texts.get('PACKAGE_TYPE')),
    svcUser: texts.get('SVC_USER')?.trim() || undefined,
    svcGroup: texts.get('SVC_GROUP')?.trim() || undefined,
  }
}

function decode(name: Metafile, content: Buffer): string {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(content)
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause
    throw malformed(name, 'it is not UTF-8')
  }
  // Databases and terminals handle NUL badly, and no text needs it.
  if (text.includes('\0')) throw malformed(name, 'it contains a NUL')
  return text
}

function readIdent(text: string, folder: string | undefined): Ident {
  const ident = toIdent('IDENT', text)
  if (text !== folder)
    throw malformed(
      'IDENT',
      `it names ${quote(text)}, but the package is in the folder of ${quote(folder ?? '')}`,
    )
  return ident
}

// `hab` writes the list only if it has entries, so an empty file is malformed (habitat-2016.md 7.2).
function readIdents(name: Metafile, text: string | undefined): Ident[] {
  if (text === undefined) return []
  return text
    .trim()
    .split('\n')
    .map((line) => toIdent(name, line.trim()))
}

// Ignores words that are not ports, as Habitat does (habitat-2016.md 7.2).
function readPorts(text: string | undefined): number[] {
  const words = (text ?? '').split(/\s+/)
  return words
    .filter((word) => /^\d+$/.test(word))
    .map(Number)
    .filter((port) => port <= 0xffff)
}

function readPackageType(text: string | undefined): PackageType {
  const type = text?.trim() ?? 'standard'
  if (type !== 'standard' && type !== 'native')
    throw malformed('PACKAGE_TYPE', `${quote(type)} is not a type of package: standard or native`)
  return type
}

function toIdent(name: Metafile, text: string): Ident {
  try {
    return parseIdent(text)
  } catch (cause) {
    if (!(cause instanceof DepotError)) throw cause
    throw new DepotError('hart_malformed', `the metafile ${name} is malformed: ${cause.message}`, { cause })
  }
}

function malformed(name: Metafile, why: string): DepotError {
  return new DepotError('hart_malformed', `the metafile ${name} is malformed: ${why}`)
}
