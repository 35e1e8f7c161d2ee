import { createHash } from 'node:crypto'
import { parseIdent, releaseKey } from '../package/ident.ts'
import type { ReleaseName } from '../package/ident.ts'
import type { Target } from '../package/target.ts'

// Names of the files of an edge, relative to one set of answers:
//
//   bodies/whole/KEY, bodies/brief/KEY   what describes a release, in the two forms of Habitat's JSON
//   shows/ORIGIN/NAME,VERSION,RELEASE,TARGET[,brief]          a link to a body
//   views/VIEW/now/ORIGIN/NAME,[VERSION,]TARGET[,brief]       `latest` in a view, a link to a body
//   views/VIEW/now                       a link to one of the folders `a` and `b`
//   views/VIEW/shows                     a link to `shows`, so that only views that exist answer with them
//   keys/ORIGIN/REVISION, keys/ORIGIN/list
//   channels/ORIGIN, view-names
//
// Names have no comma and do not begin with a dot, so each name has one meaning and stays in its folder.
// Answers whose names would have other characters are not written.

const PART = /^[A-Za-z0-9_+~:@-][A-Za-z0-9_.+~:@-]*$/
const MAX_FILE_NAME_BYTES = 255

/** The forms of a release in JSON. */
export type Form = 'whole' | 'brief'

export const FORMS = ['whole', 'brief'] as const satisfies readonly Form[]

/** A question for `latest`, without its view. */
export interface LatestName {
  readonly origin: string
  readonly name: string
  readonly version?: string | undefined
  readonly target: string
}

/** Returns the file of `latest` in the folder `now` of a view, or `undefined` if it is not written. */
export function latestFile({ origin, name, version, target }: LatestName, form: Form): string | undefined {
  return fileIn(origin, [name, ...(version === undefined ? [] : [version]), target], form)
}

/** Returns the file that shows a release, in `shows`, or `undefined` if it is not written. */
export function showFile({ ident, target }: ReleaseName, form: Form): string | undefined {
  const { origin, name, version, release } = parseIdent(ident)
  return fileIn(origin, [name, version, release, target], form)
}

/** Reports whether a view, an origin or the revision of a key can be a file or a folder. */
export function isFileName(text: string): boolean {
  return PART.test(text) && text.length <= MAX_FILE_NAME_BYTES
}

/**
 * Returns the file name of the bodies of a release. It is short because links to it then need no block of
 * their own on most file systems.
 */
export function bodyKey(release: ReleaseName): string {
  return createHash('sha256').update(releaseKey(release)).digest('base64url').slice(0, 22)
}

/** The questions for `latest` that a release may answer: without and with its version. */
export function latestNamesOf({ ident, target }: ReleaseName): readonly [LatestName, LatestName] {
  const { origin, name, version } = parseIdent(ident)
  return [
    { origin, name, target },
    { origin, name, version, target },
  ]
}

/** Returns the release that a whole or brief body describes. */
export function releaseIn(body: Buffer): ReleaseName {
  const { ident, target } = JSON.parse(body.toString('utf8')) as {
    ident: { origin: string; name: string; version: string; release: string }
    target: Target
  }
  return { ident: `${ident.origin}/${ident.name}/${ident.version}/${ident.release}`, target }
}

function fileIn(origin: string, parts: readonly string[], form: Form): string | undefined {
  if (![origin, ...parts].every((part) => PART.test(part))) return undefined
  const file = [...parts, ...(form === 'brief' ? ['brief'] : [])].join(',')
  return Buffer.byteLength(file) <= MAX_FILE_NAME_BYTES ? `${origin}/${file}` : undefined
}
