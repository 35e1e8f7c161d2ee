import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from './process.ts'

// The yardstick of followers: node:http, which holds every response and writes each POSTed body to all of
// them. `/stream` starts its answer at once and never ends it; other paths answer once.

const HEAD = { 'content-type': 'text/event-stream', 'cache-control': 'no-store' }
const streams = new Set<ServerResponse>()
const polls = new Set<ServerResponse>()

const server = createServer((request, response) => {
  if (request.method === 'POST') {
    void tell(request, response)
    return
  }
  const held = request.url === '/stream' ? streams : polls
  held.add(response)
  response.on('close', () => held.delete(response))
  if (held === streams) response.writeHead(200, HEAD).write('id: 1\n\n')
})

async function tell(request: AsyncIterable<Buffer>, response: ServerResponse): Promise<void> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece)
  const text = Buffer.concat(pieces)
  response.end()
  for (const stream of streams) stream.write(text)
  for (const poll of polls) poll.writeHead(200, { 'content-type': 'application/json' }).end(text)
}

server.listen(0, '127.0.0.1', () => {
  serve((server.address() as AddressInfo).port, async () => {
    server.close()
    server.closeAllConnections()
  })
})
