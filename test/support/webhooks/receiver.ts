import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One POST that a receiver got. */
export interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly id: string
  readonly text: string
  readonly body: {
    readonly sequence: number
    readonly kind: string
    readonly event: Record<string, unknown>
    readonly [name: string]: unknown
  }
}

type Behaviour = (answer: ServerResponse, received: Received, request: IncomingMessage) => void

/** A server that receives webhooks. It answers 204 unless `behave` sets something else. */
export interface Receiver {
  readonly url: string
  readonly received: Received[]
  behave(behaviour: Behaviour | number): void
  sequences(): number[]
}

export async function startReceiver(t: { teardown(fn: () => Promise<void>): unknown }): Promise<Receiver> {
  const received: Received[] = []
  let behaviour = answering(204)
  const server = createServer((request, answer) => {
    request.setEncoding('utf8')
    let text = ''
    request.on('data', (piece: string) => {
      text += piece
    })
    request.on('end', () => {
      const one: Received = {
        path: request.url ?? '',
        headers: request.headers,
        id: String(request.headers['webhook-id']),
        text,
        body: JSON.parse(text) as Received['body'],
      }
      received.push(one)
      behaviour(answer, one, request)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    received,
    behave(next) {
      behaviour = typeof next === 'number' ? answering(next) : next
    },
    sequences: () => received.map(({ body }) => body.sequence),
  }
}

function answering(status: number): Behaviour {
  return (answer) => answer.writeHead(status).end()
}
