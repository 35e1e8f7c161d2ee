import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { hasRole, roleIn } from '../../../access/access.ts'
import { passes } from '../../../access/rights.ts'
import { expectMayDecide } from '../../../commands/origins/invite.ts'
import { DepotError } from '../../../errors.ts'
import { findInvitation, listInvitationsOf } from '../../../origins/invitation-store.ts'
import type { Invitation } from '../../../origins/invitation-store.ts'
import { listOrigins } from '../../../origins/origin-store.ts'
import { placeIn } from '../../api/conventions/pages.ts'
import { NewOrigin } from '../../api/origins/shapes.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { expectMayCreateOrigins, needs, signedIn, signedInFor } from '../../requests/rights.ts'
import { postForm, selectField, textField } from '../html/forms.ts'
import { Once, onceKey } from '../html/once.ts'
import { badge, emptyState, packageLink, timeAgo } from '../html/parts.ts'
import type { Visit } from '../html/visit.ts'
import { Csrf, FIRST_PAGE, ListQuery, actButton, adminContent, cutList, link, pager, table } from './frame.ts'
import { VISIBILITIES, originPath, roleText } from './origin-templates.ts'

const PATH = '/admin/origins'
const DecisionForm = z.object({ ...Csrf, act: z.enum(['accept', 'ignore', 'rescind']) })
const DECISIONS = {
  accept: 'acceptInvitation',
  ignore: 'ignoreInvitation',
  rescind: 'rescindInvitation',
} as const

/** Pages for the list of origins, and for invitations. */
export function originPages(app: FastifyInstance, { depot }: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()
  const { db, writer, config } = depot

  const show = async (request: FastifyRequest, reply: FastifyReply, query: ListQuery) => {
    const { visit, caller } = request
    const { accountId } = signedIn(request, 'read')
    const listKey = { list: 'origins' }
    const after = placeIn(query, listKey, z.string())
    const found = await listOrigins(db, { names: undefined, after, limit: query.limit + 1 })
    const { items, next } = cutList(visit, query, {
      items: found,
      listKey,
      placeOf: ({ name }) => name,
      path: PATH,
    })
    const rows = items.map((origin) => [
      hasRole(caller, origin.name, 'readonly_member')
        ? link(visit, originPath(origin.name), origin.name)
        : packageLink(visit, origin.name),
      roleText(roleIn(caller, origin.name) ?? 'none'),
      origin.owner,
      origin.isUpstream ? badge('info', 'from upstream') : origin.defaultVisibility,
      timeAgo(visit, origin.createdAt),
    ])
    return reply.page(
      adminContent(visit, {
        title: 'Origins',
        main: html`${invitationList(visit, await listInvitationsOf(db, accountId))}
${
  rows.length === 0
    ? emptyState('No origins', html`<p>Packages need an origin. Its owner says who may upload to it.</p>`)
    : table('Origins', ['Origin', 'Your role', 'Owner', 'New packages are', 'Since'], rows)
}${pager(next)}
${passes(() => expectMayCreateOrigins(request, config)) ? newOriginForm(visit) : null}`,
      }),
    )
  }
  const showForm = async (request: FastifyRequest, reply: FastifyReply) => show(request, reply, FIRST_PAGE)

  pages.get(PATH, { schema: { querystring: ListQuery } }, async (request, reply) =>
    show(request, reply, request.query),
  )

  pages.post(
    PATH,
    { schema: { body: NewOrigin.extend({ ...Csrf, ...Once }) }, config: { showForm } },
    async (request, reply) => {
      const { name, default_visibility: defaultVisibility } = request.body
      request.subject = `origin ${name}`
      const { accountId: ownerId } = expectMayCreateOrigins(request, config)
      const input = { name, ownerId, defaultVisibility, idempotency: onceKey(request) }
      await writer.submit({ kind: 'createOrigin', input, actor: actorOf(request, 'page') })
      return reply.redirect(request.visit.to(originPath(name)), 303)
    },
  )

  pages.post(
    `${PATH}/:origin/invitations/:invitation`,
    {
      schema: {
        params: z.object({ origin: z.string().max(255), invitation: z.coerce.number().int() }),
        body: DecisionForm,
      },
      onRequest: needs('manage'),
      config: { showForm },
    },
    async (request, reply) => {
      const { origin, invitation: invitationId } = request.params
      const { act } = request.body
      request.subject = `invitation ${invitationId} to ${origin}`
      const caller = signedInFor(request, origin, 'manage')
      const invitation = await findInvitation(db, origin, invitationId)
      if (invitation === undefined)
        throw new DepotError('not_found', `there is no invitation ${invitationId} to ${origin}`)
      expectMayDecide(caller, invitation)
      const input = { origin, invitationId }
      await writer.submit({ kind: DECISIONS[act], input, actor: actorOf(request, 'page') })
      const isOwn = invitation.accountId === caller.accountId
      return reply.redirect(request.visit.to(isOwn ? PATH : originPath(origin)), 303)
    },
  )
}

function invitationList(visit: Visit, invitations: readonly Invitation[]): SafeHtml | null {
  if (invitations.length === 0) return null
  return html`<section class="notice" aria-label="Invitations">${invitations.map(
    ({ id, origin, createdAt }) => {
      const path = `${originPath(origin)}/invitations/${id}`
      return html`<p>You are invited to the origin <b>${origin}</b>, ${timeAgo(visit, createdAt)}.</p>
<div class="actions">${actButton(visit, { path, fields: { act: 'accept' }, label: 'Accept' })}${actButton(visit, { path, fields: { act: 'ignore' }, label: 'Ignore' })}</div>`
    },
  )}</section>`
}

function newOriginForm(visit: Visit): SafeHtml {
  return html`<h2>Create an origin</h2>
${postForm(
  visit,
  { path: PATH, className: 'filters', isOnce: true },
  (form) => html`${textField(form, { name: 'name', label: 'Name', isRequired: true })}
${selectField(form, { name: 'default_visibility', label: 'New packages are', options: VISIBILITIES })}<button>Create</button>`,
)}
<p class="hint">You will own it. Before its first upload, the origin needs a key.</p>`
}
