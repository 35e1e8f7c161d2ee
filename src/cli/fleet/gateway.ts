import { once } from 'node:events'
import { request as requestHttp } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import { networkFault } from '../../network-fault.ts'
import { each } from '../../remote/each.ts'
import type { Gateway } from './hosts.ts'
import { parseServices } from './services.ts'
import type { Service } from './services.ts'

/** The services of one Supervisor, or why they are not known. */
export type Reading =
  | { readonly gateway: Gateway; readonly services: readonly Service[] }
  | { readonly gateway: Gateway; readonly fault: string }

export interface ReadOptions {
  /** The value of `HAB_SUP_GATEWAY_AUTH_TOKEN`, which is sent to every gateway. */
  readonly token?: string | undefined
  /** How long a gateway may take until its answer is complete. */
  readonly timeoutMs: number
  /** How many gateways are read at the same time. */
  readonly parallel: number
  readonly signal?: AbortSignal
}

/** The longest answer that is read. A service has some kilobytes, most of them its configuration. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024

/** Reads gateways, and returns their answers in the order of the list. Throws only the signal's reason. */
export async function readFleet(gateways: readonly Gateway[], options: ReadOptions): Promise<Reading[]> {
  const readings = new Map<Gateway, Reading>()
  await each(gateways, options.parallel, async (gateway) => {
    options.signal?.throwIfAborted()
    readings.set(gateway, await readGateway(gateway, options))
  })
  return gateways.flatMap((gateway) => readings.get(gateway) ?? [])
}

async function readGateway(gateway: Gateway, options: ReadOptions): Promise<Reading> {
  const timer = AbortSignal.timeout(options.timeoutMs)
  const { signal } = options
  try {
    const text = await fetchServices(gateway, options, signal ? AbortSignal.any([signal, timer]) : timer)
    return { gateway, services: parseServices(text) }
  } catch (error) {
    signal?.throwIfAborted()
    return {
      gateway,
      fault: timer.aborted
        ? `no answer came within ${options.timeoutMs / 1_000} s`
        : networkFault(error as Error),
    }
  }
}

/**
 * Returns the body of the answer. Throws an Error with a sentence for an answer other than 200 or one that is
 * too long, and the error of the connection if it fails.
 */
async function fetchServices({ url }: Gateway, { token }: ReadOptions, signal: AbortSignal): Promise<string> {
  const request = (url.startsWith('https:') ? requestHttps : requestHttp)(`${url}/services`, {
    signal,
    agent: false,
    headers: {
      accept: 'application/json',
      'user-agent': 'hart-depot-cli',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
  })
  // Without a listener, a connection that breaks during the answer would end this process. Reading the answer
  // rejects then.
  request.on('error', () => undefined)
  request.end()
  const [answer] = (await once(request, 'response')) as [IncomingMessage]
  try {
    if (answer.statusCode !== 200) throw new Error(faultOf(answer.statusCode ?? 0))
    return await readBounded(answer)
  } finally {
    answer.destroy()
  }
}

function faultOf(status: number): string {
  if (status === 401 || status === 403)
    return 'it needs a token, or refuses this one: give it with --token-file'
  if (status === 503) return 'its Supervisor has no services yet'
  return `it answered ${status}, so it is no Supervisor`
}

async function readBounded(answer: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of answer as AsyncIterable<Buffer>) {
    size += piece.length
    if (size > MAX_ANSWER_BYTES)
      throw new Error(`its answer is longer than ${MAX_ANSWER_BYTES / 1024 / 1024} MiB`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}
