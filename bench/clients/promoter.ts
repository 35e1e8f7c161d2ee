import { once } from 'node:events'
import { connect } from 'node:net'
import { rowOf, VERSIONS, VIEW } from '../yardsticks/by-hand.ts'
import type { PromotionCost, Row } from '../yardsticks/by-hand.ts'
import { TARGET, TOKEN } from './publisher.ts'
import type { ServerProcess } from '../servers/process.ts'

interface Load {
  readonly clients: number
  /** The number of promotions of each client. */
  readonly times: number
  /** Promote the same version each time, so that only the first promotion changes anything. */
  readonly isRepeated?: boolean
  /** Promote through `/api/v1` instead of Habitat's API. */
  readonly isOwnApi?: boolean
}

/**
 * Each client promotes its own package on its own connection, the versions in turns. Returns the cost of one
 * promotion.
 */
export async function promoteAtOnce(server: ServerProcess, load: Load): Promise<PromotionCost> {
  const before = await server.cpuMs()
  const begun = performance.now()
  await Promise.all(
    Array.from({ length: load.clients }, async (_, client) => promoteOften(server.port, client, load)),
  )
  const count = load.times * load.clients
  const micros = ((performance.now() - begun) * 1_000) / count
  return { micros, cpuMicros: (((await server.cpuMs()) - before) * 1_000) / count }
}

async function promoteOften(
  port: number,
  client: number,
  { times, isRepeated, isOwnApi }: Load,
): Promise<void> {
  const socket = connect(port, '127.0.0.1').setNoDelay()
  await once(socket, 'connect')
  const versions = isRepeated === true ? VERSIONS.slice(0, 1) : VERSIONS
  const requests = versions.map((version) => requestFor(rowOf(client, version), isOwnApi === true))
  const expected = isOwnApi === true ? /^HTTP\/1\.1 200 / : /^HTTP\/1\.1 20\d .*\r\ncontent-length: 0\r\n/is
  for (let number = 0; number < times; number += 1) {
    socket.write(requests[number % requests.length] ?? '')
    const [answer] = (await once(socket, 'data')) as [Buffer]
    if (!expected.test(answer.toString('latin1')))
      throw new Error(`unexpected answer: ${answer.toString('latin1')}`)
  }
  socket.destroy()
}

function requestFor(release: Row, isOwnApi: boolean): string {
  const path = isOwnApi
    ? `/api/v1/views/${VIEW}/promotions`
    : `/v1/depot/views/${VIEW}/pkgs/${release.ident}/promote?target=${TARGET}`
  const body = isOwnApi ? JSON.stringify({ releases: [release] }) : ''
  const type = isOwnApi ? 'content-type: application/json\r\n' : ''
  return `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${TOKEN}\r\n${type}content-length: ${body.length}\r\n\r\n${body}`
}
