import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseIdent } from '../../../src/package/ident.ts'
import type { ReleaseName } from '../../../src/package/ident.ts'
import { ask } from '../ask.ts'

// Reads the files of an edge, and says which requests they answer.

/** Returns the files below a folder that can be read, through links. */
function filesBelow(folder: string, inside = ''): string[] {
  return readdirSync(join(folder, inside)).flatMap((name) => {
    const file = join(inside, name)
    const found = statSync(join(folder, file), { throwIfNoEntry: false })
    if (found === undefined) return [] // a link to a release that is gone
    return found.isDirectory() ? filesBelow(folder, file) : [file]
  })
}

/** Returns the files of an edge that answer requests. */
export function answersIn(edge: string): string[] {
  return filesBelow(join(edge, 'current'))
    .filter((file) => !/^bodies\/|^views\/[^/]+\/(a|b|shows)\//.test(file))
    .toSorted()
}

/** Returns the paths of the requests that a file answers. The first one has the mount `/v1/depot`. */
export function pathsOf(file: string): string[] {
  return placesOf(file).flatMap((place) => [`/v1/depot/${place}`, `/v1/${place}`])
}

function placesOf(file: string): string[] {
  const [kind = '', ...rest] = file.split('/')
  if (file === 'view-names') return ['views']
  if (kind === 'channels') return [`channels/${rest[0]}`]
  if (kind === 'keys') return [`origins/${rest[0]}/keys${rest[1] === 'list' ? '' : `/${rest[1]}`}`]
  const isBrief = file.endsWith(',brief')
  const parts = (rest.at(-1) ?? '').replace(/,brief$/, '').split(',')
  const target = parts.pop()
  if (kind === 'shows') {
    const [origin] = rest
    const [name, version, release] = parts
    const show = `${name}/${version}/${release}?target=${target}`
    return isBrief
      ? [`pkgs/${origin}/${show}`]
      : [
          `channels/${origin}/unstable/pkgs/${show}`,
          `views/acceptance/pkgs/${origin}/${show}`,
          `views/acceptance/channels/${origin}/any/pkgs/${show}`,
        ]
  }
  const [view, , origin] = rest
  const latest = `${parts.join('/')}/latest?target=${target}`
  if (isBrief) return [`pkgs/${origin}/${latest}`]
  return [
    `channels/${origin}/${view}/pkgs/${latest}`,
    `views/${view}/pkgs/${origin}/${latest}`,
    `views/${view}/channels/${origin}/any/pkgs/${latest}`,
    `views/${view}/depot/channels/${origin}/any/pkgs/${latest}`,
  ]
}

/** Returns the files whose bytes are not what the depot answers to everybody, each with a path. */
export async function wrongAnswers(edge: string, url: string): Promise<string[]> {
  const wrong: string[] = []
  for (const file of answersIn(edge)) {
    const bytes = readFileSync(join(edge, 'current', file))
    for (const path of pathsOf(file)) {
      const live = await ask(url + path)
      if (live.status !== 200 || !live.body.equals(bytes)) wrong.push(`${file}: ${path} is ${live.status}`)
    }
  }
  return wrong
}

/** Returns the files that two edges do not have alike. */
export function differencesBetween(one: string, other: string): string[] {
  const [files, others] = [answersIn(one), answersIn(other)]
  const isAlike = (file: string) =>
    files.includes(file) &&
    others.includes(file) &&
    readFileSync(join(one, 'current', file)).equals(readFileSync(join(other, 'current', file)))
  return [...new Set([...files, ...others])].filter((file) => !isAlike(file))
}

/** Returns the answers to polls that everybody gets, and for which an edge has no file. */
export async function missingAnswers(
  edge: string,
  url: string,
  { views, releases }: { views: readonly string[]; releases: readonly ReleaseName[] },
): Promise<string[]> {
  const files = new Set(answersIn(edge))
  const expected = new Set<string>()
  for (const release of releases) {
    const { origin, name, version, release: build } = parseIdent(release.ident)
    expected.add(`shows/${origin}/${name},${version},${build},${release.target}`)
    for (const view of views) {
      expected.add(`views/${view}/now/${origin}/${name},${release.target}`)
      expected.add(`views/${view}/now/${origin}/${name},${version},${release.target}`)
    }
  }
  const missing: string[] = []
  for (const file of expected)
    if (!files.has(file) && (await ask(`${url}${pathsOf(file)[0]}`)).status === 200) missing.push(file)
  return missing
}
