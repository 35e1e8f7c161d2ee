import { createReadStream, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from './process.ts'
import type { Recorded } from './record.ts'

// The yardstick of polls and installs: node:http that knows its answers. `bare.ts ANSWERS`: a file with a JSON array of them. Small
// bodies are in memory; large ones are read in pieces as large as the depot's.

const MOST_KEPT_BYTES = 64 * 1024
const READ_PIECE_BYTES = 512 * 1024

const [answersFile = ''] = process.argv.slice(2)
const recorded = JSON.parse(readFileSync(answersFile, 'utf8')) as Recorded[]
const answers = new Map(recorded.map(({ url, headers, file, sizeBytes }) => [url, { headers, file, kept: sizeBytes > MOST_KEPT_BYTES ? undefined : readFileSync(file) }]))

const server = createServer((request, response) => {
  const answer = answers.get(request.url ?? '')
  if (answer === undefined) {
    response.writeHead(404).end()
    return
  }
  response.writeHead(200, answer.headers)
  if (answer.kept !== undefined) response.end(answer.kept)
  else createReadStream(answer.file, { highWaterMark: READ_PIECE_BYTES }).pipe(response)
})
server.listen(0, '127.0.0.1', () => {
  serve((server.address() as AddressInfo).port, async () => {
    server.close()
    server.closeAllConnections()
  })
})
