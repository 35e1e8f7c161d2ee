import { once } from 'node:events'
import { createServer } from 'node:net'

const FIRST = 12_000
/** Systems take the ports of `listen(0)` and of outgoing connections from about here on. */
const END = 32_768

/**
 * Resolves with a port of loopback on which nothing listens. Other processes do not take it by chance in the
 * meantime, as they might take one that `listen(0)` gave.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (END - FIRST))
    const server = createServer().listen(port, '127.0.0.1')
    try {
      await once(server, 'listening')
    } catch {
      continue
    }
    server.close()
    await once(server, 'close')
    return port
  }
}
