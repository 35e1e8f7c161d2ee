import { accessSync, constants, existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import type { Config } from '../config.ts'
import { DepotError } from '../errors.ts'
import { quoteForShell } from './first-steps.ts'

/**
 * Makes sure that the user who runs a command may look into a data directory, and `read` or `write` its database, as far as they are there.
 * Throws `forbidden`, with the line that runs the command as the owner, and `invalid_request` where DEPOT_DATA names a file.
 */
export function expectOpen(config: Config, to: 'read' | 'write'): void {
  const { dataFolder, databaseFile } = config
  const bits = to === 'read' ? constants.R_OK : constants.R_OK | constants.W_OK
  const looks = [
    { path: dataFolder, look: () => void readdirSync(dataFolder) },
    { path: databaseFile, look: () => accessSync(databaseFile, bits) },
  ]
  for (const { path, look } of looks) {
    try {
      look()
    } catch (cause) {
      const code = codeOf(cause)
      if (code === 'ENOTDIR')
        throw new DepotError(
          'invalid_request',
          `${path} cannot be there: it is a file, or lies below one. DEPOT_DATA names the folder of a depot`,
          { cause },
        )
      if (code === 'EACCES' || code === 'EPERM')
        throw new DepotError('forbidden', denial(path, config), { cause })
      if (code !== 'ENOENT') throw cause
    }
  }
}

/** As {@link expectOpen}, of a depot that must be there. Throws `not_found`. */
export function expectDepot(config: Config, to: 'read' | 'write'): void {
  expectOpen(config, to)
  if (existsSync(config.databaseFile)) return
  throw new DepotError(
    'not_found',
    `there is no depot in ${config.dataFolder}: looked for ${config.databaseFile}. DEPOT_DATA names the folder of a depot; hart-depot serve makes one`,
  )
}

/** Why a path may not be used, and by whom it may: a sentence. */
export function denial(path: string, config?: Config): string {
  const place = denying(path)
  const { uid } = statSync(place)
  if (uid === process.geteuid?.())
    return `${place} does not let its own user in: chmod u+rwX ${quoteForShell(place)}`
  const owner = nameOf(uid)
  const told = `${place} belongs to ${owner}, and ${nameOf(process.geteuid?.() ?? -1)} may not use it`
  return config === undefined
    ? told
    : `${told}; looked for a depot in ${config.dataFolder}. As its owner: ${asOwner(owner, config)}`
}

/** The command that was typed, for a shell, as another user has to type it. */
function asOwner(owner: string, { dataFolder, databaseFile, blobFolder }: Config): string {
  const settings = [
    `DEPOT_DATA=${dataFolder}`,
    ...(databaseFile === join(dataFolder, 'depot.sqlite')
      ? []
      : [`DEPOT_DATABASE_URL=sqlite:${databaseFile}`]),
    ...(blobFolder === join(dataFolder, 'blobs') ? [] : [`DEPOT_BLOBS=fs:${blobFolder}`]),
  ]
  return ['sudo', '-u', owner, 'env', ...settings, ...process.argv].map(quoteForShell).join(' ')
}

/** The nearest of a path and the folders above it that can be looked at: it is the one that denies what is below. */
function denying(path: string): string {
  try {
    statSync(path)
    return path
  } catch {
    return path === dirname(path) ? path : denying(dirname(path))
  }
}

/** A user's name, or `#1000` as sudo takes it where the machine does not tell. */
function nameOf(uid: number): string {
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

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
