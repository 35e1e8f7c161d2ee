import type { Actor } from '../../access/access.ts'
import { setTimeout as pause } from 'node:timers/promises'
import pino from 'pino'
import type { Config } from '../../config/config.ts'
import { openDepot } from '../../depot/open.ts'
import type { Depot } from '../../depot/depot.ts'
import { DepotError } from '../../errors.ts'
import type { Input, Outcome, CommandKind, Command } from '../../commands/commands.ts'
import type { Io, Out } from '../io.ts'
import { expectAccess, expectDepot } from './data-folder.ts'
import type { LocalConfig } from './data-folder.ts'
import { connectControl, sendCommand } from '../../depot/control.ts'

const MAX_WAIT_MS = 5_000
const PAUSE_MS = 50

/** The actor of changes by commands on a data folder. */
export const CLI_ACTOR: Actor = {
  client: `hart-depot command line, uid ${process.getuid?.() ?? 'unknown'}`,
  door: 'cli',
}

/**
 * Runs a command on a data folder: through the running server, or by locking the folder if no server runs.
 * Waits a little for a server that is starting or stopping. A folder that the person named may be empty, and
 * becomes a depot; a usual one must have a depot, because the person may mean another. Throws the command's
 * errors, `data_in_use`, and like {@link expectDepot}.
 */
export async function submit<K extends CommandKind>(
  config: Config | LocalConfig,
  { stderr }: Pick<Io, 'stderr'>,
  kind: K,
  input: Input<K>,
): Promise<Outcome<K>> {
  if ('searched' in config && config.searched.length > 1) expectDepot(config, 'write')
  else expectAccess(config, 'write')
  const command: Command<K> = {
    kind,
    input,
    actor: CLI_ACTOR,
  }
  for (const deadline = Date.now() + MAX_WAIT_MS; ; await pause(PAUSE_MS)) {
    const connection = await connectControl(config.dataFolder)
    if (connection !== undefined) return sendCommand(connection, command)
    const depot = await openUnlessHeld(config)
    if (depot !== undefined) return submitTo(depot, command, stderr)
    if (Date.now() > deadline) {
      throw new DepotError(
        'data_in_use',
        `another hart-depot is starting or stopping in ${config.dataFolder}: try again`,
      )
    }
  }
}

async function submitTo<K extends CommandKind>(
  depot: Depot,
  command: Command<K>,
  stderr: Out,
): Promise<Outcome<K>> {
  try {
    if (depot.newAdminToken !== undefined) {
      stderr.write(
        `This is the first use of ${depot.config.dataFolder}. Its administrator's token, shown only now: ${depot.newAdminToken}\n`,
      )
    }
    if (depot.adminTokenStatus === 'added')
      stderr.write(
        'Added the token in DEPOT_ADMIN_TOKEN to the administrator. Earlier tokens remain valid.\n',
      )
    return await depot.writer.submit(command)
  } finally {
    await depot.close()
  }
}

async function openUnlessHeld(config: Config): Promise<Depot | undefined> {
  try {
    return await openDepot(config, { log: pino({ level: 'silent' }), inProcess: true })
  } catch (error) {
    if (error instanceof DepotError && error.code === 'data_in_use') return undefined
    throw error
  }
}
