import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { expectMayDecide } from '../../../commands/origins/invite.ts'
import { DepotError } from '../../../errors.ts'
import { findInvitation, listInvitationsOf, listInvitationsTo } from '../../../origins/invitation-store.ts'
import type { Invitation as StoredInvitation } from '../../../origins/invitation-store.ts'
import { getOrigin } from '../../../origins/origin-store.ts'
import { orText } from '../../requests/as-text.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { needs, signedIn, signedInAs, signedInFor } from '../../requests/rights.ts'
import { IdempotencyHeaders, idempotencyOf } from '../conventions/idempotency.ts'
import { cutPage, placeIn } from '../conventions/pages.ts'
import type { ListKey } from '../conventions/pages.ts'
import { NO_STORE, answers, textToo } from '../conventions/responses.ts'
import { PageQuery } from '../conventions/shapes.ts'
import { page, timeText } from '../conventions/text.ts'
import { wireTime } from '../conventions/wire.ts'
import { Invitation, InvitationPath, Invitations, NewInvitation, OriginPath } from './shapes.ts'

const tags = ['origins']
const DONE = answers(z.undefined().describe('done'), 204)

/**
 * Routes for invitations to origins. An account joins with the lowest role when its invitation is accepted.
 */
export function invitationRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/invitations',
    {
      schema: {
        operationId: 'listMyInvitations',
        tags,
        summary: 'Lists your invitations to origins',
        description: 'Oldest first, without those that you ignored.',
        errors: ['forbidden'],

        querystring: PageQuery,
        response: textToo(Invitations),
      },
      onRequest: needs('read'),
      preSerialization: orText(invitationsText),
    },
    async (request, reply) => {
      const { accountId, accountName } = signedIn(request, 'read')
      const found = await listInvitationsOf(depot.db, accountId)
      return sendPage(request, reply, found, { list: 'invitations', account: accountName })
    },
  )

  api.get(
    '/origins/:origin/invitations',
    {
      schema: {
        operationId: 'listInvitations',
        tags,
        summary: 'Lists the invitations to an origin',
        description: 'For members. Oldest first, with those that were ignored.',
        errors: ['forbidden', 'not_found'],

        params: OriginPath,
        querystring: PageQuery,
        response: textToo(Invitations),
      },
      onRequest: needs('read'),
      preSerialization: orText(invitationsText),
    },
    async (request, reply) => {
      const origin = await getOrigin(depot.db, request.params.origin)
      signedInAs(request, 'readonly_member', origin.name, 'read')
      const found = await listInvitationsTo(depot.db, origin.id)
      return sendPage(request, reply, found, { list: 'invitations', origin: origin.name })
    },
  )

  api.post(
    '/origins/:origin/invitations',
    {
      schema: {
        operationId: 'invite',
        tags,
        summary: 'Invites an account to an origin',
        description:
          'For maintainers of the origin. The account joins when it or a maintainer accepts. Administrators of the origin can add members at once, by setOriginMember. With an Idempotency-Key, a repeated request changes nothing and gets the same answer for seven days.',
        errors: ['already_exists', 'forbidden', 'idempotency_mismatch', 'not_found'],

        params: OriginPath,
        headers: IdempotencyHeaders,
        body: NewInvitation,
        response: answers(Invitation, 201),
      },
      onRequest: needs('manage'),
    },
    async (request, reply) => {
      const { origin } = request.params
      const { account } = request.body
      request.subject = `${account} to ${origin}`
      const { accountId: inviterId } = signedInAs(request, 'maintainer', origin, 'manage')
      const invitation = await depot.writer.submit({
        kind: 'invite',
        input: { origin, account, inviterId, ...idempotencyOf(request) },
        actor: actorOf(request, 'api'),
      })
      return reply
        .code(201)
        .header('location', `${request.publicPath}/api/v1/origins/${encodeURIComponent(origin)}/invitations`)
        .send(wireInvitation(invitation))
    },
  )

  api.post(
    '/origins/:origin/invitations/:invitation/accept',
    {
      schema: {
        operationId: 'acceptInvitation',
        tags,
        summary: 'Accepts an invitation',
        description:
          'For the invited account, and for maintainers of the origin. The account joins as a readonly_member.',
        errors: ['forbidden', 'not_found'],

        params: InvitationPath,
        response: DONE,
      },
      onRequest: needs('manage'),
    },
    async (request, reply) => decide(request, reply, 'acceptInvitation'),
  )

  api.post(
    '/origins/:origin/invitations/:invitation/ignore',
    {
      schema: {
        operationId: 'ignoreInvitation',
        tags,
        summary: 'Ignores an invitation',
        description: 'Hides it from the invited account. The origin still sees it. Safe to repeat.',
        errors: ['forbidden', 'not_found'],

        params: InvitationPath,
        response: DONE,
      },
      onRequest: needs('manage'),
    },
    async (request, reply) => decide(request, reply, 'ignoreInvitation'),
  )

  api.delete(
    '/origins/:origin/invitations/:invitation',
    {
      schema: {
        operationId: 'rescindInvitation',
        tags,
        summary: 'Withdraws an invitation',
        description: 'For maintainers of the origin, and for the invited account.',
        errors: ['forbidden', 'not_found'],

        params: InvitationPath,
        response: DONE,
      },
      onRequest: needs('manage'),
    },
    async (request, reply) => decide(request, reply, 'rescindInvitation'),
  )

  const decide = async (
    request: FastifyRequest<{ Params: z.infer<typeof InvitationPath> }>,
    reply: FastifyReply,
    kind: 'acceptInvitation' | 'ignoreInvitation' | 'rescindInvitation',
  ) => {
    const { origin } = request.params
    const invitationId = Number(request.params.invitation)
    request.subject = `invitation ${invitationId} to ${origin}`
    const caller = signedInFor(request, origin, 'manage')
    const invitation = await findInvitation(depot.db, origin, invitationId)
    if (invitation === undefined)
      throw new DepotError('not_found', `there is no invitation ${invitationId} to ${origin}`)
    expectMayDecide(caller, invitation)
    await depot.writer.submit({ kind, input: { origin, invitationId }, actor: actorOf(request, 'api') })
    return reply.code(204).send()
  }
}

/**
 * Cuts a page out of the whole list, and sends it. An origin has few invitations, so all of them are read.
 */
function sendPage(
  request: FastifyRequest<{ Querystring: z.infer<typeof PageQuery> }>,
  reply: FastifyReply,
  all: readonly StoredInvitation[],
  listKey: ListKey,
) {
  const after = placeIn(request.query, listKey, z.int()) ?? 0
  const { items, next } = cutPage(request, reply, {
    items: all.filter(({ id }) => id > after).slice(0, request.query.limit + 1),
    listKey,
    placeOf: ({ id }) => id,
  })
  return reply.headers(NO_STORE).send({ invitations: items.map(wireInvitation), next })
}

function wireInvitation({
  id,
  origin,
  account,
  isIgnored,
  createdAt,
}: StoredInvitation): z.infer<typeof Invitation> {
  return { id, origin, account, ignored: isIgnored, created_at: wireTime(createdAt) }
}

function invitationsText({ invitations, next }: z.infer<typeof Invitations>): string {
  const rows = invitations.map(({ id, origin, account, ignored, created_at: at }) => [
    String(id),
    origin,
    account,
    ignored ? 'ignored' : 'open',
    timeText(at),
  ])
  return page(['ID', 'ORIGIN', 'ACCOUNT', 'STATE', 'SINCE'], rows, next)
}
