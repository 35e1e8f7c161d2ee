import type { FastifyInstance } from 'fastify'
import { audienceWithRole, audienceOf } from '../../../access/access.ts'
import { DEFAULT_TARGET } from '../../../package/target.ts'
import { listDependents } from '../../../releases/dependents-store.ts'
import type { RouteContext } from '../../requests/request.ts'
import { parseTarget } from '../conventions/parameters.ts'
import type { HabitatRequest } from '../conventions/parameters.ts'
import { sendUncached } from '../conventions/replies.ts'

/**
 * Route for the packages that depend on a package (habitat-today.md 3.4 and 6, Packages). It is served only
 * under `/v1`. An unknown package has no dependents.
 */
export function dependentReads(app: FastifyInstance, { depot }: RouteContext): void {
  app.get('/rdeps/:origin/:name', async (request: HabitatRequest, reply) => {
    const { origin, name } = request.params
    const audiences = {
      audience: audienceOf(request.caller),
      members: audienceWithRole(request.caller, 'member'),
    }
    const rdeps = await listDependents(
      depot.db,
      { origin, name },
      parseTarget(request) ?? DEFAULT_TARGET,
      audiences,
    )
    return sendUncached(reply, { origin, name, rdeps })
  })
}
