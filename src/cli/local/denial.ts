import { readFileSync, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import type { Config } from '../../config/config.ts'
import { quoteForShell } from './server/first-steps.ts'

/** Explains in a sentence why access to a path is denied, and which user has it. */
export function describeDenial(path: string, config?: Config): string {
  const place = nearestReadable(path)
  const { uid } = statSync(place)
  if (uid === process.geteuid?.())
    return `${place} denies access to its own user: run chmod u+rwX ${quoteForShell(place)}`
  const owner = nameOf(uid)
  const denial = `${place} belongs to ${owner}, and ${nameOf(process.geteuid?.() ?? -1)} has no access to it`
  return config === undefined
    ? `${denial}: give it access, or run this as ${owner}`
    : `${denial}; the data folder is ${config.dataFolder}. To run as its owner: ${asOwner(owner, config)}`
}

/** Explains in a sentence why root must not serve the depot of another user. */
export function describeRootServing(file: string, uid: number, config: Config): string {
  const owner = nameOf(uid)
  return `${file} belongs to ${owner}, who could not read what a server of root stores. To run as its owner: ${asOwner(owner, config)}`
}

/** Returns the current command as a shell command that runs as another user. */
function asOwner(owner: string, { dataFolder, database, blobFolder }: Config): string {
  const settings = [
    `DEPOT_DATA=${dataFolder}`,
    ...(database.engine === 'postgres' || database.file === join(dataFolder, 'depot.sqlite')
      ? []
      : [`DEPOT_DATABASE_URL=sqlite:${database.file}`]),
    ...(blobFolder === join(dataFolder, 'blobs') ? [] : [`DEPOT_BLOBS=fs:${blobFolder}`]),
  ]
  return ['sudo', '-u', owner, 'env', ...settings, ...process.argv].map(quoteForShell).join(' ')
}

/**
 * Returns the path, or the nearest folder above it, that `stat` can read. That file or folder is the one that
 * denies access.
 */
function nearestReadable(path: string): string {
  try {
    statSync(path)
    return path
  } catch {
    return path === dirname(path) ? path : nearestReadable(dirname(path))
  }
}

/** Returns a user's name, or an id such as `#1000`, which sudo accepts, if the name is unknown. */
export function nameOf(uid: number): string {
  if (uid === process.geteuid?.()) return ownName() ?? `#${uid}`
  try {
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((text) => text.split(':')[2] === String(uid))
    return line?.split(':')[0] ?? `#${uid}`
  } catch {
    return `#${uid}`
  }
}

function ownName(): string | undefined {
  try {
    return userInfo().username
  } catch {
    return undefined
  }
}
