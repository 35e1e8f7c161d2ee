import { chmodSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseDepotUrl } from '../../../client/depot-url.ts'
import { UsageError } from '../../exit-codes.ts'
import { pathOf } from '../../io.ts'
import type { Io } from '../../io.ts'

export interface Profile {
  readonly url: string
  readonly token?: string
}

export interface Profiles {
  /** The profile that is used if none is named. */
  readonly current?: string
  readonly profiles: Readonly<Record<string, Profile>>
}

/** Where a command sends its requests, and why. */
export interface Target {
  readonly url: string
  readonly token: string | undefined
  /** A sentence for those whose token is refused: where it came from, and how to replace it. */
  readonly tokenAdvice?: string | undefined
  /** For messages: `profile staging`, `HART_DEPOT_URL`. */
  readonly source: string
}

/** What the command line says about the depot. */
export interface TargetOptions {
  readonly url?: string | undefined
  readonly profile?: string | undefined
}

const PRIVATE_FILE = 0o600
const PRIVATE_FOLDER = 0o700

/** The file with the profiles, below the XDG configuration folder. */
export function profilesFile({ env }: Pick<Io, 'env'>): string {
  const { XDG_CONFIG_HOME: config = '', HOME: home = homedir() } = env
  return join(config === '' ? join(home, '.config') : config, 'hart-depot', 'profiles.json')
}

/**
 * Reads the profiles; none if there is no file. Throws a UsageError if others may read the file, or if it is
 * damaged.
 */
export function readProfiles(io: Pick<Io, 'env'>): Profiles {
  const file = profilesFile(io)
  let text: string
  try {
    if ((statSync(file).mode & 0o077) !== 0)
      throw new UsageError(`other users may read ${file}, which holds tokens: run chmod 600 ${file}`)
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { profiles: {} }
    throw error
  }
  try {
    const { current, profiles } = JSON.parse(text) as Profiles
    if (Object.values(profiles).every(({ url }) => typeof url === 'string'))
      return { profiles, ...(current !== undefined && { current }) }
  } catch {
    // explained below
  }
  throw new UsageError(`${file} is damaged: remove it, and log in again`)
}

/** Replaces the file as a whole, so that a crash leaves the old or the new one. */
export function writeProfiles(io: Pick<Io, 'env'>, profiles: Profiles): void {
  const file = profilesFile(io)
  mkdirSync(dirname(file), { recursive: true, mode: PRIVATE_FOLDER })
  const next = `${file}.${process.pid}`
  writeFileSync(next, `${JSON.stringify(profiles, undefined, 2)}\n`, { mode: PRIVATE_FILE })
  chmodSync(next, PRIVATE_FILE)
  renameSync(next, file)
}

/**
 * Finds the depot of a command: `--url` or `--profile`, then `HART_DEPOT_URL`, then the pair of
 * `HAB_BLDR_URL` and `HAB_AUTH_TOKEN`, then the current profile. A token is used only with the URL that it
 * was given for. `HART_DEPOT_URL` never uses the token of a profile: a secret that a CI system lacks must not
 * become the token of a person. Nor may the token of a profile act in place of another `HART_DEPOT_TOKEN`.
 * Throws a UsageError.
 */
export function findTarget(io: Pick<Io, 'env'>, options: TargetOptions): Target {
  const found = lookUpTarget(io, options)
  if (found === undefined)
    throw new UsageError('no depot is named: run hart-depot login URL, or set HART_DEPOT_URL')
  return found
}

/** Reports whether {@link findTarget} finds a depot. Throws the other errors of {@link findTarget}. */
export function hasTarget(io: Pick<Io, 'env'>, options: TargetOptions): boolean {
  return lookUpTarget(io, options) !== undefined
}

function lookUpTarget(io: Pick<Io, 'env'>, { url, profile }: TargetOptions): Target | undefined {
  const { env } = io
  if (url !== undefined && profile !== undefined)
    throw new UsageError('--url and --profile exclude each other: give only one of them')
  if (url !== undefined) return { ...tokenFor(io, url), url, source: '--url' }
  if (profile !== undefined) {
    const found = readProfiles(io).profiles[profile]
    if (found === undefined)
      throw new UsageError(
        `there is no profile ${profile}: hart-depot login --profile ${profile} URL makes it`,
      )
    return targetOf(profile, found)
  }
  const own = nonEmpty(env['HART_DEPOT_URL'])
  if (own !== undefined)
    return { url: own, source: 'HART_DEPOT_URL', ...(tokenOfEnvironment(io) ?? NO_TOKEN_WITH_URL) }
  const [builder, builderToken] = [nonEmpty(env['HAB_BLDR_URL']), nonEmpty(env['HAB_AUTH_TOKEN'])]
  if (builder !== undefined && builderToken !== undefined)
    return { url: builder, source: 'HAB_BLDR_URL', ...tokenOfVariable(builderToken, 'HAB_AUTH_TOKEN') }
  const { current, profiles } = readProfiles(io)
  const found = current === undefined ? undefined : profiles[current]
  if (current === undefined || found === undefined) return undefined
  const token = nonEmpty(env['HART_DEPOT_TOKEN'])
  if (token !== undefined && token !== found.token)
    throw new UsageError(
      `HART_DEPOT_TOKEN is set without HART_DEPOT_URL, and is not the token of profile ${current}: set HART_DEPOT_URL, too, or unset HART_DEPOT_TOKEN`,
    )
  return targetOf(current, found)
}

type FoundToken = Pick<Target, 'token' | 'tokenAdvice'>

const NO_TOKEN_WITH_URL: FoundToken = {
  token: undefined,
  tokenAdvice:
    'HART_DEPOT_URL is set without HART_DEPOT_TOKEN, so no token was sent: set it, too, or unset HART_DEPOT_URL to use a stored profile',
}

/**
 * Returns the token for a URL of the command line. HART_DEPOT_TOKEN counts unless HART_DEPOT_URL names
 * another depot. Otherwise, the profile of this depot has the token.
 */
function tokenFor(io: Pick<Io, 'env'>, url: string): FoundToken {
  const own = nonEmpty(io.env['HART_DEPOT_URL'])
  const given = own === undefined || isSameDepot(own, url) ? tokenOfEnvironment(io) : undefined
  if (given !== undefined) return given
  const found = Object.entries(readProfiles(io).profiles).find(([, profile]) => isSameDepot(profile.url, url))
  return found === undefined ? { token: undefined } : targetOf(...found)
}

function targetOf(name: string, { url, token }: Profile): Target {
  const login = `hart-depot login ${url} --profile ${name} --with-token`
  return {
    url,
    source: `profile ${name}`,
    token,
    tokenAdvice:
      token === undefined
        ? `Profile ${name} has no token: ${login} stores one`
        : `The token came from profile ${name}: ${login} stores another one`,
  }
}

/** Returns the token of the environment, if it has one. Throws a UsageError if a variable for it is empty. */
function tokenOfEnvironment(io: Pick<Io, 'env'>): FoundToken | undefined {
  const { env } = io
  const token = nonEmpty(env['HART_DEPOT_TOKEN'])
  const file = nonEmpty(env['HART_DEPOT_TOKEN_FILE'])
  if (token !== undefined && file !== undefined)
    throw new UsageError('HART_DEPOT_TOKEN and HART_DEPOT_TOKEN_FILE are both set: set only one of them')
  if (token !== undefined) return tokenOfVariable(token, 'HART_DEPOT_TOKEN')
  if (file !== undefined)
    return {
      token: checkToken(readFileSync(pathOf(io, file), 'utf8'), file),
      tokenAdvice: `The token came from ${file} (HART_DEPOT_TOKEN_FILE): write a valid one to it`,
    }
  const empty = ['HART_DEPOT_TOKEN', 'HART_DEPOT_TOKEN_FILE'].find((name) => env[name] === '')
  if (empty === undefined) return undefined
  throw new UsageError(`${empty} is empty, so the token is missing: set it, or unset it`)
}

function tokenOfVariable(token: string, name: string): FoundToken {
  return { token, tokenAdvice: `The token came from ${name}: set it to a valid one` }
}

/** Returns the only word of a text. Throws a UsageError that names where the text is from. */
export function checkToken(text: string, source: string): string {
  const token = text.trim()
  if (!/^[!-~]+$/.test(token))
    throw new UsageError(`there is no token in ${source}: it must contain one word`)
  return token
}

/** Whether two URLs are those of the same depot, or of views of it. A malformed URL equals no other. */
export function isSameDepot(one: string, other: string): boolean {
  const base = baseOf(one)
  return base !== undefined && base === baseOf(other)
}

/** Returns the URL of the depot itself; `undefined` for a malformed URL. */
function baseOf(url: string): string | undefined {
  try {
    return parseDepotUrl(url).base
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : value
}
