import { createReadStream, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from './process.ts'
import type { Recorded } from './record.ts'

// The yardstick of polls and installs: node:http with fixed answers. `bare.ts ANSWERS` reads them from a file
// with a JSON array. Small bodies are in memory; large ones are read in pieces as large as the depot's.

const MAX_CACHED_BYTES = 64 * 1024
const READ_CHUNK_BYTES = 512 * 1024

const [answersFile = ''] = process.argv.slice(2)
const recorded = JSON.parse(readFileSync(answersFile, 'utf8')) as Recorded[]
const answers = new Map(
  recorded.map((answer) => [
    answer.url,
    {
      ...answer,
      ...unchanged(answer),
      kept: answer.sizeBytes > MAX_CACHED_BYTES ? undefined : readFileSync(answer.file),
    },
  ]),
)

const server = createServer((request, response) => {
  const answer = answers.get(request.url ?? '')
  if (answer === undefined) {
    response.writeHead(404).end()
    return
  }
  if (answer.tag !== undefined && request.rawHeaders.includes(answer.tag)) {
    response.writeHead(304, answer.unchangedHeaders).end()
    return
  }
  response.writeHead(answer.status, answer.headers)
  if (answer.kept !== undefined) response.end(answer.kept)
  else createReadStream(answer.file, { highWaterMark: READ_CHUNK_BYTES }).pipe(response)
})

/** The tag of an answer, and the headers of the 304 to a request with this tag. */
function unchanged({ headers }: Recorded): { tag: string | undefined; unchangedHeaders: string[] } {
  const nameAt = (index: number) => headers[index - (index % 2)]?.toLowerCase() ?? ''
  const tag = headers.find((_, index) => index % 2 === 1 && nameAt(index) === 'etag')
  return { tag, unchangedHeaders: headers.filter((_, index) => !nameAt(index).startsWith('content-')) }
}

server.listen(0, '127.0.0.1', () => {
  serve((server.address() as AddressInfo).port, async () => {
    server.close()
    server.closeAllConnections()
  })
})
