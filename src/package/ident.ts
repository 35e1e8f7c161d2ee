import { DepotError, quote } from '../errors.ts'
import type { Target } from './target.ts'

declare const brand: unique symbol

/** A package, `origin/name`. Made by {@link makePackageName} and {@link parseIdent}. */
export type PackageName = { readonly origin: string; readonly name: string } & {
  readonly [brand]: 'PackageName'
}

/**
 * `origin/name/version/release`. It can be published once for each target. Made by {@link parseIdent} and
 * {@link makeIdent}.
 */
export type Ident = PackageName & { readonly version: string; readonly release: string }

/** The name of one release, which is an ident for one target, in the ledger and in requests. */
export interface ReleaseName {
  ident: string
  target: Target
}

/**
 * The key of a line, `origin/name target`. A line is a package for one target: the releases among which a
 * view chooses `latest`.
 */
export type Line = string

/** A package name that may not be valid. */
export interface PackageParts {
  readonly origin: string
  readonly name: string
}

/** An ident that may not be valid. */
interface IdentParts extends PackageParts {
  readonly version: string
  readonly release: string
}

/** A release whose ident is in parts or is a text. */
interface AnyRelease {
  readonly ident: IdentParts | string
  readonly target: string
}

const MAX_PART_LENGTH = 255
const ORIGIN = /^[a-z0-9][a-z0-9_-]*$/
const NAME = /^[A-Za-z0-9_-]+$/
// Habitat accepts any text. Here a part must be valid in a URL path, a file name and a quoted header value
// without escapes.
const VERSION_OR_RELEASE = /^(?!\.{1,2}$)[A-Za-z0-9._+~:@!=,;()*$&'^-]+$/

export function isOriginName(text: string): boolean {
  return text.length <= MAX_PART_LENGTH && ORIGIN.test(text)
}

/** Parses an ident. Throws `ident_malformed`, naming the text and the part that is wrong. */
export function parseIdent(text: string): Ident {
  const parts = text.split('/')
  if (parts.length !== 4) throw malformed(text, 'it must have the four parts origin/name/version/release')
  const [origin = '', name = '', version = '', release = ''] = parts
  return makeIdent({ origin, name, version, release })
}

/** Makes an ident from separate parts, for example from a URL. Throws `ident_malformed`. */
export function makeIdent(parts: IdentParts): Ident {
  const { origin, name, version, release } = parts
  makePackageName(parts)
  const text = formatIdent(parts)
  if (!fits(VERSION_OR_RELEASE, version)) throw malformed(text, `its version ${quote(version)} is malformed`)
  if (!fits(VERSION_OR_RELEASE, release)) throw malformed(text, `its release ${quote(release)} is malformed`)
  return { origin, name, version, release } as Ident
}

/** Makes a package name from separate parts. Throws `ident_malformed`. */
export function makePackageName(parts: PackageParts): PackageName {
  const { origin, name } = parts
  if (!fits(ORIGIN, origin))
    throw malformed(formatPackageName(parts), `its origin ${quote(origin)} is not an origin's name`)
  if (!fits(NAME, name))
    throw malformed(formatPackageName(parts), `its name ${quote(name)} is not a package's name`)
  return { origin, name } as PackageName
}

export function formatIdent({ origin, name, version, release }: IdentParts): string {
  return `${origin}/${name}/${version}/${release}`
}

export function formatPackageName({ origin, name }: PackageParts): string {
  return `${origin}/${name}`
}

/** Returns the package `origin/name` of a valid ident. */
export function packageOf(ident: string): string {
  const end = ident.indexOf('/', ident.indexOf('/') + 1)
  return end === -1 ? ident : ident.slice(0, end)
}

/** Returns the origin of a valid ident or of a package `origin/name`. */
export function originOf(name: string): string {
  return name.split('/', 1)[0] ?? ''
}

/** Returns the {@link ReleaseName} of a release whose ident is in parts. */
export function releaseName({ ident, target }: { ident: IdentParts; target: Target }): ReleaseName {
  return { ident: formatIdent(ident), target }
}

/** Returns the key of a release in maps and in SQL, `origin/name/version/release target`. */
export function releaseKey({ ident, target }: AnyRelease): string {
  return `${textOf(ident)} ${target}`
}

/** Returns the line of a package (`origin/name`) for one target. */
export function lineKey(line: { readonly package: string; readonly target: string }): Line {
  return `${line.package} ${line.target}`
}

/** Returns the line that a release belongs to. */
export function lineOf({ ident, target }: AnyRelease): Line {
  return `${typeof ident === 'string' ? packageOf(ident) : formatPackageName(ident)} ${target}`
}

/** Formats a release for messages, `origin/name/version/release (target)`. */
export function describeRelease({ ident, target }: AnyRelease): string {
  return `${textOf(ident)} (${target})`
}

/**
 * Returns the file name that `hab` stores and looks for: `{o}-{n}-{v}-{r}-{target}.hart` (habitat-today.md
 * 1.5).
 */
export function hartFileName(ident: Ident, target: string): string {
  return `${ident.origin}-${ident.name}-${ident.version}-${ident.release}-${target}.hart`
}

function textOf(ident: IdentParts | string): string {
  return typeof ident === 'string' ? ident : formatIdent(ident)
}

function fits(pattern: RegExp, part: string): boolean {
  return part.length <= MAX_PART_LENGTH && pattern.test(part)
}

function malformed(text: string, why: string): DepotError {
  return new DepotError('ident_malformed', `${quote(text)} is not an ident: ${why}`)
}
