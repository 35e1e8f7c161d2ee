import { rmSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { RemoteError } from '../../remote/remote-error.ts'
import type { RemoteDepot } from '../../remote/remote-depot.ts'
import { checkToken } from '../remote/accounts/profiles.ts'
import { UsageError } from '../exit-codes.ts'
import { exitCodeOf } from '../failure.ts'
import { pathOf } from '../io.ts'
import type { Io } from '../io.ts'

// Shared by commands that talk to depots over HTTP: URLs, tokens, and a temporary folder for packages.

/**
 * Checks that a depot answers now. Later requests are retried, but a wrong URL should fail at once. Throws
 * `unreachable`.
 */
export async function expectReachable(depot: RemoteDepot): Promise<void> {
  const fault = await depot.findFault()
  if (fault !== undefined)
    throw new RemoteError(
      'unreachable',
      `no depot answers at ${depot.url}: ${fault}; both depots must be running`,
    )
}

/**
 * Runs `act` with a temporary folder for packages. The folder is removed at the end, and on SIGINT and
 * SIGTERM.
 */
export async function withTempFolder<T>(prefix: string, act: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), prefix))
  const onSignal = (signal: NodeJS.Signals) => {
    rmSync(folder, { recursive: true, force: true })
    process.exit(exitCodeOf(signal))
  }
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal)
  try {
    return await act(folder)
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
    await rm(folder, { recursive: true, force: true })
  }
}

/** Checks that at most one of the files is stdin. Throws {@link UsageError}. */
export function expectOneStdin(...files: readonly (string | undefined)[]): void {
  if (files.filter((file) => file === '-').length > 1)
    throw new UsageError('only one of the tokens can come from stdin')
}

/** Parses the URL of a depot. Throws {@link UsageError}, also for a URL with credentials. */
export function parseHttpUrl(given: string): string {
  const url = URL.parse(given)
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new UsageError(`${JSON.stringify(given)} is not a URL such as https://bldr.habitat.sh`)
  if (url.username !== '' || url.password !== '')
    throw new UsageError('the URL contains a token, which every process can see: put the token into a file')
  return url.href
}

/**
 * Reads a token from a file, or from stdin for `-`. Tokens are never arguments, because every process can see
 * those.
 */
export async function readTokenFile(io: Io, file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
  return file === '-'
    ? checkToken(await text(io.stdin), 'stdin')
    : checkToken(await readFile(pathOf(io, file), 'utf8'), file)
}
