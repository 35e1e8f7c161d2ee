import type { FastifyInstance, FastifyReply } from 'fastify'
import { expectMayDecide } from '../../../commands/origins/invite.ts'
import { DepotError } from '../../../errors.ts'
import { findInvitation, listInvitationsTo } from '../../../origins/invitation-store.ts'
import { getOrigin } from '../../../origins/origin-store.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { signedInAs, signedInFor } from '../../requests/rights.ts'
import { idOf } from '../conventions/parameters.ts'
import type { HabitatRequest } from '../conventions/parameters.ts'
import { sendJson, sendUncached } from '../conventions/replies.ts'
import { wireInvitation, wireInvitations } from './shapes.ts'

/** Routes that read invitations (habitat-today.md 1.10, 3.3 and 6, Members; habitat-2016.md 1.13). */
export function invitationReads(app: FastifyInstance, { depot }: RouteContext, mount: string): void {
  app.get(`${mount}/origins/:origin/invitations`, async (request: HabitatRequest, reply) => {
    signedInAs(request, 'readonly_member', request.params.origin, 'read')
    const origin = await getOrigin(depot.db, request.params.origin)
    const invitations = await listInvitationsTo(depot.db, origin.id)
    return sendUncached(reply, wireInvitations(origin, invitations))
  })
}

export function invitationWrites(app: FastifyInstance, { depot }: RouteContext, mount: string): void {
  app.post(`${mount}/origins/:origin/users/:account/invitations`, async (request: HabitatRequest, reply) => {
    const { origin, account } = request.params
    request.subject = `${account} to ${origin}`
    const { accountId: inviterId } = signedInAs(request, 'maintainer', origin, 'manage')
    const invitation = await depot.writer.submit({
      kind: 'invite',
      input: { origin, account, inviterId },
      actor: actorOf(request, 'habitat'),
    })
    return sendJson(reply.code(201), wireInvitation(invitation))
  })

  const decide =
    (kind: 'acceptInvitation' | 'ignoreInvitation' | 'rescindInvitation') =>
    async (request: HabitatRequest, reply: FastifyReply) => {
      const { origin } = request.params
      const invitationId = await decidableId(request)
      request.subject = `invitation ${invitationId} to ${origin}`
      await depot.writer.submit({ kind, input: { origin, invitationId }, actor: actorOf(request, 'habitat') })
      return reply.code(204).send()
    }
  app.put(`${mount}/origins/:origin/invitations/:id`, decide('acceptInvitation'))
  app.put(`${mount}/origins/:origin/invitations/:id/ignore`, decide('ignoreInvitation'))
  app.delete(`${mount}/origins/:origin/invitations/:id`, decide('rescindInvitation'))

  /**
   * Returns the id of the invitation in the URL. Throws `not_found`, and `forbidden` unless the caller is the
   * invited account or a maintainer of the origin.
   */
  async function decidableId(request: HabitatRequest): Promise<number> {
    const { origin } = request.params
    const caller = signedInFor(request, origin, 'manage')
    const id = idOf(request)
    const invitation = await findInvitation(depot.db, origin, id)
    if (invitation === undefined)
      throw new DepotError('not_found', `there is no invitation ${id} to ${origin}`)
    expectMayDecide(caller, invitation)
    return id
  }
}
