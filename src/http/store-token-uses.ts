import type { FastifyInstance } from 'fastify'
import { DEPOT_ACTOR } from '../access/access.ts'
import type { Depot } from '../depot/depot.ts'

const STORE_EVERY_MS = 60_000

/**
 * Stores the times of the last uses of tokens, once a minute and when the server closes. Requests do not wait
 * for this. After a failure it tries again a minute later.
 */
export function storeTokenUses(app: FastifyInstance, { authenticator, writer, log }: Depot): void {
  const store = async (all: boolean) => {
    try {
      await authenticator.uses.flush(
        (uses) =>
          writer.submit({
            kind: 'saveTokenUses',
            input: { uses },
            actor: DEPOT_ACTOR,
          }),
        { all },
      )
    } catch (error) {
      log.warn({ err: error }, 'the last uses of tokens could not be stored')
    }
  }
  const timer = setInterval(() => void store(false), STORE_EVERY_MS).unref()
  app.addHook('onClose', async () => {
    clearInterval(timer)
    await store(true)
  })
}
