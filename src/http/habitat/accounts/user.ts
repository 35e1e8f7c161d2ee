import type { FastifyInstance } from 'fastify'
import { allowsOrigin } from '../../../access/access.ts'
import { listInvitationsOf } from '../../../origins/invitation-store.ts'
import { listOriginsOf } from '../../../origins/origin-store.ts'
import type { RouteContext } from '../../requests/request.ts'
import { signedIn } from '../../requests/rights.ts'
import type { HabitatRequest } from '../conventions/parameters.ts'
import { sendUncached } from '../conventions/replies.ts'
import { wireInvitation } from '../origins/shapes.ts'
import { wireOwnOrigin } from './shapes.ts'

/** Routes for the caller's own origins and invitations (habitat-today.md 3.4 and 6). */
export function userReads(app: FastifyInstance, { depot }: RouteContext): void {
  app.get('/user/invitations', async (request: HabitatRequest, reply) => {
    const caller = signedIn(request, 'read')
    const invitations = (await listInvitationsOf(depot.db, caller.accountId)).filter(({ origin }) =>
      allowsOrigin(caller, origin),
    )
    return sendUncached(reply, invitations.map(wireInvitation))
  })

  app.get('/user/origins', async (request: HabitatRequest, reply) => {
    const caller = signedIn(request, 'read')
    const origins = (await listOriginsOf(depot.db, caller.accountId)).filter(({ name }) =>
      allowsOrigin(caller, name),
    )
    return sendUncached(reply, origins.map(wireOwnOrigin))
  })
}
