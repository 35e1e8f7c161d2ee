import type { Logger } from 'pino'
import type { Config } from '../../../config/config.ts'
import { openDepot } from '../../../depot/open.ts'
import { DepotError } from '../../../errors.ts'
import { networkFault } from '../../../network-fault.ts'
import { stopServer } from '../../../http/stop.ts'
import { Workers, listen, tryPort } from '../../../http/workers.ts'
import { connectControl, openControl } from '../../../depot/control.ts'
import { firstSteps, tokenLine } from './first-steps.ts'
import { openLog } from '../../../log.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { EXIT, Exit } from '../../exit-codes.ts'
import { faultsOfTls } from '../installation/authorities.ts'
import { urlOf } from '../url.ts'
import { expectAccess, expectOwnDepot, readLocalConfig } from '../data-folder.ts'
import { notifySystemd } from './notify-systemd.ts'
import { tuneForRequests } from './tune-v8.ts'

/**
 * One ^C in a terminal reaches the server several times, because npm and the launcher forward it too. Signals
 * within this time are one.
 */
const SAME_SIGNAL_MS = 1_000

export const serve: Define = (command, io) =>
  command
    .addHelpText(
      'after',
      `${examples([
        ['serve', 'run a depot on 127.0.0.1:9636, and create it in ./data if there is none'],
        [
          'serve | tee token.txt',
          'keep what it prints; its first start prints the token of the administrator',
        ],
      ])}

Its settings are environment variables: DEPOT_DATA=/var/lib/hart-depot DEPOT_LISTEN=0.0.0.0:9636 hart-depot serve. After the first signal,
uploads and downloads in flight may continue for up to ten minutes. A second signal ends them.`,
    )
    .action(async () => {
      const print = (line: string) => void io.stdout.write(`${line}\n`)
      const config = readLocalConfig(io)
      expectAccess(config, 'write')
      expectOwnDepot(config)
      const log = openLog(config.logLevel)
      for (const warning of [...config.traces.warnings, ...(await faultsOfTls(io))]) log.warn(warning)
      // This happens before the depot is created, so that a failed start creates no token.
      await tryPort(config).catch(async (error: unknown) => {
        throw (await findOtherServer(config)) ?? cannotListen(config, error)
      })
      // The server's modules load while the depot waits for its threads.
      const [depot, { buildServer }] = await Promise.all([
        openDepot(config, { log }),
        import('../../../http/server.ts'),
      ])
      // The token is printed before anything can fail: only its digest is stored, so it can never be shown
      // again.
      if (depot.newAdminToken !== undefined)
        print(`The administrator's token, shown only now:\n\n${tokenLine(depot.newAdminToken)}\n`)
      if (depot.adminTokenStatus === 'added')
        print(
          'Added the token in DEPOT_ADMIN_TOKEN to the administrator. Earlier tokens remain valid: see hart-depot token list admin',
        )
      const signals = listenForSignals(log)
      try {
        const workers = config.workers > 1 ? new Workers(depot, config.workers - 1) : undefined
        const app = await buildServer(depot, { ...(workers && { workers }) })
        const control = await openControl(config.dataFolder, depot)
        try {
          await depot.joinNodes()
          const port = await listen(app, config, workers).catch((error: unknown) => {
            throw cannotListen(config, error)
          })
          tuneForRequests()
          depot.upkeep?.start()
          const listens = `listens on ${urlOf(config.host, port)}`
          print(`hart-depot ${listens}`)
          if (io.stderr.isTTY !== true) log.info(listens) // a terminal shows the line above
          void notifySystemd(io.env, listens, log)
          if (depot.isNew) print(firstSteps(config.publicUrl ?? urlOf(config.host, port)))
          log.info({ signal: await signals.first }, 'stopping: waiting for requests in flight')
          await stopServer(app)
        } finally {
          await app.close()
          await control.close()
        }
      } finally {
        await depot.close()
        signals.close()
      }
      log.info('stopped')
    })

/**
 * Listens for signals to stop. `first` resolves with the first signal; a later signal ends the process. The
 * caller calls `close`.
 */
function listenForSignals(log: Logger): { first: Promise<string>; close(): void } {
  const { promise, resolve } = Promise.withResolvers<string>()
  let firstAt: number | undefined
  const onSignal = (signal: string) => {
    firstAt ??= performance.now()
    resolve(signal)
    if (performance.now() - firstAt < SAME_SIGNAL_MS) return
    log.warn({ signal }, 'stopping at once: requests in flight are cut off')
    process.exit(1)
  }
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal)
  return { first: promise, close: () => process.off('SIGINT', onSignal).off('SIGTERM', onSignal) }
}

/** Returns an error if another server runs on the same data folder, which explains why the port is in use. */
async function findOtherServer({ dataFolder }: Config): Promise<DepotError | undefined> {
  const control = await connectControl(dataFolder)
  control?.destroy()
  return control && new DepotError('data_in_use', `another hart-depot is running on ${dataFolder}/`)
}

function cannotListen({ host, port }: Config, error: unknown): unknown {
  if (!(error instanceof Error && 'code' in error)) return error
  return new Exit(
    EXIT.failed,
    `cannot listen on ${host.includes(':') ? `[${host}]` : host}:${port}: ${networkFault(error)}`,
  )
}
