import type { FastifyInstance } from 'fastify'
import { ROLES } from '../../../access/access.ts'
import type { Role } from '../../../access/access.ts'
import { findAccount } from '../../../accounts/account-store.ts'
import { DepotError, quote } from '../../../errors.ts'
import { findRole, getOrigin, listMemberNames } from '../../../origins/origin-store.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { signedInAs, signedInFor } from '../../requests/rights.ts'
import { queryOf } from '../conventions/parameters.ts'
import type { HabitatRequest } from '../conventions/parameters.ts'
import { sendUncached } from '../conventions/replies.ts'
import { wireMembers } from './shapes.ts'

/** Routes that read members (habitat-today.md 3.3 and 6, Members; habitat-2016.md 1.13). */
export function memberReads(app: FastifyInstance, { depot }: RouteContext, mount: string): void {
  app.get(`${mount}/origins/:origin/users`, async (request: HabitatRequest, reply) => {
    signedInAs(request, 'readonly_member', request.params.origin, 'read')
    const origin = await getOrigin(depot.db, request.params.origin)
    const members = await listMemberNames(depot.db, origin.id)
    return sendUncached(reply, wireMembers(origin, members))
  })

  app.get(`${mount}/origins/:origin/users/:account/role`, async (request: HabitatRequest, reply) => {
    signedInAs(request, 'member', request.params.origin, 'read')
    const origin = await getOrigin(depot.db, request.params.origin)
    const account = await findAccount(depot.db, request.params.account)
    const role = account && (await findRole(depot.db, origin.id, account.id))
    if (role === undefined)
      throw new DepotError('not_found', `${quote(request.params.account)} is not a member of ${origin.name}`)
    return sendUncached(reply, { role })
  })
}

export function memberWrites(app: FastifyInstance, { depot }: RouteContext, mount: string): void {
  app.put(`${mount}/origins/:origin/users/:account/role`, async (request: HabitatRequest, reply) => {
    const { origin, account } = request.params
    const role = roleIn(request)
    request.subject = `${account} as ${role} of ${origin}`
    const { accountId: actorId } = signedInAs(request, 'administrator', origin, 'manage')
    await depot.writer.submit({
      kind: 'changeRole',
      input: { origin, account, role, actorId },
      actor: actorOf(request, 'habitat'),
    })
    return reply.code(204).send()
  })

  app.delete(`${mount}/origins/:origin/users/:account`, async (request: HabitatRequest, reply) => {
    const { origin, account } = request.params
    request.subject = `${account} out of ${origin}`
    signedInAs(request, 'owner', origin, 'manage')
    await depot.writer.submit({
      kind: 'removeMember',
      input: { origin, account },
      actor: actorOf(request, 'habitat'),
    })
    return reply.code(204).send()
  })

  app.post(`${mount}/origins/:origin/transfer/:account`, async (request: HabitatRequest, reply) => {
    const { origin, account } = request.params
    request.subject = `origin ${origin} to ${account}`
    signedInAs(request, 'owner', origin, 'manage')
    await depot.writer.submit({
      kind: 'transferOrigin',
      input: { origin, account },
      actor: actorOf(request, 'habitat'),
    })
    return reply.code(204).send()
  })

  app.post(`${mount}/origins/:origin/depart`, async (request: HabitatRequest, reply) => {
    const { origin } = request.params
    request.subject = `out of origin ${origin}`
    const { accountId, accountName: account } = signedInFor(request, origin, 'manage')
    await depot.writer.submit({
      kind: 'departOrigin',
      input: { origin, account, accountId },
      actor: actorOf(request, 'habitat'),
    })
    return reply.code(204).send()
  })
}

/**
 * Parses the role in the request. It is checked before the token, so even an anonymous caller learns that a
 * role is wrong (habitat-today.md 6, Members). Throws `invalid_value`.
 */
function roleIn(request: HabitatRequest): Role {
  const text = queryOf(request, 'role') ?? ''
  const role = ROLES.find((candidate) => candidate === text)
  if (role === undefined)
    throw new DepotError('invalid_value', `${quote(text)} is not a role: ${ROLES.join(', ')}`, {
      builderText: `Invalid member role '${text}'`,
    })
  return role
}
