import type { FastifyInstance } from 'fastify'

/** What a slow upload or download gets to come to its end once the server stops. */
const LONGEST_STOP_MS = 10 * 60_000

/**
 * Makes a server that is closing let go of its clients: every answer from then on says `Connection: close`, and a connection whose
 * answer had begun before is closed soon after it, rather than after the time that idle connections are kept.
 */
export function closeConnectionsWhenStopping(app: FastifyInstance): void {
  let isStopping = false
  app.addHook('preClose', async () => {
    isStopping = true
    app.server.keepAliveTimeout = 1
  })
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (isStopping) reply.header('connection', 'close')
    done()
  })
}

/** Takes no new connections, and waits for the requests in flight; those that take longer than ten minutes are cut off. */
export async function stopServer(app: FastifyInstance): Promise<void> {
  const cut = setTimeout(() => app.server.closeAllConnections(), LONGEST_STOP_MS)
  try {
    await app.close()
  } finally {
    clearTimeout(cut)
  }
}
