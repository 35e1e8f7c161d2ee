import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { EXIT, Exit } from '../../exit-codes.ts'
import { Output, outputOptions } from '../../output.ts'
import { readLocalConfig } from '../data-folder.ts'
import { urlOf } from '../url.ts'

/** Shorter than the usual timeout of container health checks. */
const MAX_SILENCE_MS = 4_000

export const healthy: Define = (command, io) =>
  outputOptions(command)
    .addHelpText(
      'after',
      `${examples([
        ['healthy', 'check the depot of this machine, as a health check of its container'],
        ['healthy --quiet && ./deploy.sh', 'do something only if it answers'],
      ])}\n\nRequests /healthz on DEPOT_LISTEN.`,
    )
    .action(async (options) => {
      const { host, port } = readLocalConfig({ env: io.env, stderr: { write: () => true } })
      const url = `${urlOf(host, port)}/healthz`
      const status = await statusOf(url).catch(() => {
        throw new Exit(EXIT.failed, `no depot answers at ${url}`)
      })
      if (status !== 200) throw new Exit(EXIT.failed, `the depot at ${url} answered ${status}`)
      new Output(io, options).show({ url, healthy: true }, { whole: () => `the depot at ${url} is healthy` })
    })

async function statusOf(url: string): Promise<number | undefined> {
  const { request } = process.getBuiltinModule('node:http') // an import statement would load all of fetch, too
  const check = request(url, { agent: false, timeout: MAX_SILENCE_MS })
  check.on('timeout', () => check.destroy(new Error('no answer in time')))
  check.end()
  const [response] = (await once(check, 'response')) as [IncomingMessage]
  response.resume()
  return response.statusCode
}
