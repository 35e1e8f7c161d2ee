import type { Command } from '@commander-js/extra-typings'
import { DepotClient } from '../../client/client.ts'
import { isInteractive } from '../io.ts'
import type { Io } from '../io.ts'
import { UsageError } from '../exit-codes.ts'
import { explain } from '../failure.ts'
import { Output, outputOptions } from '../output.ts'
import type { OutputOptions } from '../output.ts'
import { findTarget } from './accounts/profiles.ts'
import type { Target, TargetOptions } from './accounts/profiles.ts'

/** A person wants to see a failure soon. A pipeline should survive a restart of the depot. */
const RETRIES_BEFORE_A_PERSON = 1
const RETRIES_IN_A_PIPELINE = 5

/** A command that waits for longer says why. */
const LONG_PAUSE_MS = 3_000

/** The options of every command that talks to a depot. */
export type RemoteOptions = TargetOptions & OutputOptions

/** Adds the options of every command that talks to a depot. */
export function remoteOptions(command: Command) {
  return outputOptions(command)
    .option('--url <url>', 'the depot; the default is HART_DEPOT_URL or the current profile')
    .option('--profile <name>', 'a depot that hart-depot login has stored')
}

export interface Connected {
  readonly depot: DepotClient
  readonly out: Output
  readonly target: Target
}

/** Makes a client. Its depot comes from the options, else the environment, else the current profile. */
export function connect(io: Io, options: RemoteOptions): Connected {
  const target = findTarget(io, options)
  return { depot: makeClient(io, target), out: new Output(io, options), target }
}

/**
 * Like {@link connect}, for a command that changes something. Refuses the URL of a view, which supervisors
 * only read from.
 */
export function connectToChange(io: Io, options: RemoteOptions): Connected {
  const connected = connect(io, options)
  const { depot, target } = connected
  if (depot.view !== undefined)
    throw new UsageError(
      `${target.url} is the URL of the view ${depot.view}, which can only be read: give the depot's own URL, ${depot.url}`,
    )
  return connected
}

/**
 * Makes a client of a depot. `retries` replaces the usual number of repetitions, and `idleMs` the time in
 * which the depot must send something. Throws a UsageError for a
 * URL that cannot be that of a depot.
 */
export function makeClient(
  io: Io,
  { url, token, tokenAdvice, source }: Target,
  {
    retries = isInteractive(io) ? RETRIES_BEFORE_A_PERSON : RETRIES_IN_A_PIPELINE,
    ...limits
  }: { retries?: number; idleMs?: number } = {},
): DepotClient {
  try {
    return new DepotClient({
      url,
      token,
      tokenAdvice,
      userAgent: 'hart-depot-cli',
      proxyEnv: io.env,
      pause: async (ms, signal, error) => {
        if (ms >= LONG_PAUSE_MS && error !== undefined)
          io.stderr.write(`${explain(error)}: trying again in ${Math.ceil(ms / 1_000)} seconds\n`)
        await io.pause(ms, signal)
      },
      retries,
      ...limits,
    })
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(`${error.message} (from ${source})`)
    throw error
  }
}
