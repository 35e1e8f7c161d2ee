import type { FastifyInstance } from 'fastify'
import type { AddHooks } from './requests/request.ts'

/** How long slow uploads and downloads may continue while the server stops. */
const MAX_STOP_MS = 10 * 60_000

/**
 * Makes a stopping server close its connections. From then on every answer says `Connection: close`, and
 * connections whose answer had already begun are closed right after it.
 */
export function closeConnectionsWhenStopping(app: FastifyInstance): AddHooks {
  let isStopping = false
  app.addHook('preClose', async () => {
    isStopping = true
    app.server.keepAliveTimeout = 1
  })
  return (scope) =>
    scope.addHook('onSend', (_request, reply, _payload, done) => {
      if (isStopping) reply.header('connection', 'close')
      done()
    })
}

/** Stops accepting connections and waits for requests in flight. After ten minutes it cuts them off. */
export async function stopServer(app: FastifyInstance): Promise<void> {
  const cut = setTimeout(() => app.server.closeAllConnections(), MAX_STOP_MS)
  try {
    await app.close()
  } finally {
    clearTimeout(cut)
  }
}
