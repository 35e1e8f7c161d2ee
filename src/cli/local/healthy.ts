import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { readConfig } from '../../config.ts'
import { DepotError } from '../../errors.ts'
import { parseOptionsOnly } from '../subcommand.ts'
import type { Subcommand } from '../subcommand.ts'
import { urlOf } from './url.ts'

/** Shorter than the usual timeout of container health checks. */
const MAX_SILENCE_MS = 4_000

export const healthy: Subcommand = {
  usage: '',
  summary: 'check that a depot answers on DEPOT_LISTEN; if not, the exit code is 1',
  details: ['For health checks of containers, and for scripts that wait for a start. Requests /healthz.'],
  async run(args) {
    parseOptionsOnly(args, {})
    const { host, port } = readConfig()
    const url = `${urlOf(host, port)}/healthz`
    const status = await statusOf(url).catch((cause: unknown) => {
      throw new DepotError('shutting_down', `no depot answers at ${url}`, { cause })
    })
    if (status !== 200) throw new DepotError('shutting_down', `the depot at ${url} answered ${status}`)
    console.log(`the depot at ${url} is healthy`)
  },
}

async function statusOf(url: string): Promise<number | undefined> {
  const { request } = process.getBuiltinModule('node:http') // an import statement would load all of fetch, too
  const check = request(url, { agent: false, timeout: MAX_SILENCE_MS })
  check.on('timeout', () => check.destroy(new Error('no answer in time')))
  check.end()
  const [response] = (await once(check, 'response')) as [IncomingMessage]
  response.resume()
  return response.statusCode
}
