import { request } from 'node:http'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { readConfig } from '../config.ts'
import { DepotError } from '../errors.ts'
import { optionsAlone } from './subcommand.ts'
import type { Subcommand } from './subcommand.ts'
import { urlOf } from './url.ts'

/** Health checks of containers time out after some seconds, too. */
const LONGEST_SILENCE_MS = 4_000

export const healthy: Subcommand = {
  usage: '',
  summary: 'ask the depot that listens on DEPOT_LISTEN whether it is well: exit code 1 where it is not',
  details: ['For the health check of a container, and scripts that wait for a start. Asks /healthz.'],
  async run(args) {
    optionsAlone(args, {})
    const { host, port } = readConfig()
    const url = `${urlOf(host, port)}/healthz`
    const status = await statusOf(url).catch((cause: unknown) => {
      throw new DepotError('shutting_down', `no depot answers at ${url}`, { cause })
    })
    if (status !== 200) throw new DepotError('shutting_down', `the depot at ${url} answers ${status}`)
    console.log(`the depot at ${url} is well`)
  },
}

async function statusOf(url: string): Promise<number | undefined> {
  const asked = request(url, { agent: false, timeout: LONGEST_SILENCE_MS })
  asked.on('timeout', () => asked.destroy(new Error('no answer in time')))
  asked.end()
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  response.resume()
  return response.statusCode
}
