import { html } from '@remix-run/html-template'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { ROLES, allowsAction, hasRole, roleIn } from '../../../access/access.ts'
import { listGroupRoles } from '../../../accounts/group-role-store.ts'
import { formatKeyName } from '../../../hart/origin-key.ts'
import { getOrigin, listKeysBefore, listMembers, listOrigins } from '../../../origins/origin-store.ts'
import { readOriginStorage } from '../../../origins/storage-store.ts'
import { formatBytes } from '../../../text/columns.ts'
import { cutPage, placeIn } from '../../api/conventions/pages.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { needs, signedInAs } from '../../requests/rights.ts'
import { badge, emptyState, formToken, packageLink, timeAgo } from '../html/parts.ts'
import type { Visit } from '../html/visit.ts'
import { Csrf, ListQuery, adminContent, confirmedAct, facts, link, pager, table } from './frame.ts'

/** So many members and keys of an origin are shown; the API lists all of them. */
const MAX_SHOWN = 1_000
/** The owner is set by a transfer. */
const GIVEN_ROLES = ROLES.filter((role) => role !== 'owner')
const OriginParams = z.object({ origin: z.string().max(255) })
const MemberForm = z.object({
  ...Csrf,
  account: z.string().trim().min(1).max(255),
  role: z.enum([...GIVEN_ROLES, 'none']),
})

/** Pages for origins, their members and their keys. */
export function originPages(app: FastifyInstance, { depot }: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()
  const { db, writer } = depot

  pages.get(
    '/admin/origins',
    { schema: { querystring: ListQuery }, onRequest: needs('read') },
    async (request, reply) => {
      const { visit, caller, query } = request
      const listKey = { list: 'origins' }
      const after = placeIn(query, listKey, z.string())
      const found = await listOrigins(db, { names: undefined, after, limit: query.limit + 1 })
      const { items, next } = cutPage(request, reply, { items: found, listKey, placeOf: ({ name }) => name })
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
          main: html`${
            rows.length === 0
              ? emptyState('No origins', html`<p><code>hart-depot origin create NAME</code> makes one.</p>`)
              : table('Origins', ['Origin', 'Your role', 'Owner', 'New packages are', 'Since'], rows)
          }${pager(next)}`,
        }),
      )
    },
  )

  pages.get('/admin/origins/:origin', { schema: { params: OriginParams } }, async (request, reply) => {
    const { visit } = request
    signedInAs(request, 'readonly_member', request.params.origin, 'read')
    const origin = await getOrigin(db, request.params.origin)
    const page = { limit: MAX_SHOWN }
    const members = await listMembers(db, origin.name, { ...page, after: undefined })
    const groups = await listGroupRoles(db, origin.id)
    const keys = await listKeysBefore(db, origin.name, 'public', { ...page, before: undefined })
    const { releases, bytes, quotaBytes } = await readOriginStorage(db, origin.id)
    const { caller } = request
    const mayManage =
      caller !== undefined && allowsAction(caller, 'manage') && hasRole(caller, origin.name, 'administrator')
    return reply.page(
      adminContent(visit, {
        title: origin.name,
        above: [link(visit, '/admin/origins', 'Origins')],
        main: html`${facts([
          ['Owner', origin.owner],
          ['New packages are', origin.defaultVisibility],
          [
            'Uses',
            `${formatBytes(bytes)} in ${releases} ${releases === 1 ? 'release' : 'releases'}, ${quotaBytes === undefined ? 'without a quota' : `of a quota of ${formatBytes(quotaBytes)}`}`,
          ],
          ['Since', timeAgo(visit, origin.createdAt)],
          ['Packages', packageLink(visit, origin.name)],
        ])}
<h2>Members</h2>
${table(
  'Members',
  ['Account', 'Role', ...(mayManage ? ['Change'] : [])],
  members.map(({ account, role }) => [
    account,
    roleText(role),
    ...(mayManage ? [role === 'owner' ? '' : removal(visit, origin.name, account)] : []),
  ]),
)}
${mayManage ? memberForm(visit, origin.name) : null}
${
  groups.length === 0
    ? null
    : html`<h2>Groups of the single sign-on</h2>${table(
        'Groups',
        ['Group', 'Role'],
        groups.map(({ group, role }) => [group, roleText(role)]),
      )}`
}
<h2>Public keys</h2>
${
  keys.length === 0
    ? emptyState(
        'No keys',
        html`<p>Until the origin has a key, its packages are refused: <code>hart-depot key upload</code> adds one.</p>`,
      )
    : table(
        'Public keys',
        ['Key', 'Added'],
        keys.map(({ revision, addedAt }) => [
          html`<code>${formatKeyName({ origin: origin.name, revision })}</code>`,
          timeAgo(visit, addedAt),
        ]),
      )
}`,
      }),
    )
  })

  pages.post(
    '/admin/origins/:origin/members',
    { schema: { params: OriginParams, body: MemberForm } },
    async (request, reply) => {
      const { origin } = request.params
      const { account, role } = request.body
      request.subject = role === 'none' ? `${account} out of ${origin}` : `${account} as ${role} of ${origin}`
      signedInAs(request, 'administrator', origin, 'manage')
      await writer.submit({
        kind: 'setMember',
        input: { origin, account, role: role === 'none' ? null : role },
        actor: actorOf(request, 'page'),
      })
      return reply.redirect(request.visit.to(originPath(origin)), 303)
    },
  )
}

function originPath(origin: string): string {
  return `/admin/origins/${encodeURIComponent(origin)}`
}

function roleText(role: string): string {
  return role.replaceAll('_', ' ')
}

function memberForm(visit: Visit, origin: string) {
  return html`<form class="filters" method="post" action="${visit.to(`${originPath(origin)}/members`)}">${formToken(visit)}
<label>Account<input name="account" required maxlength="255" spellcheck="false" autocomplete="off" /></label>
<label>Role<select name="role">${GIVEN_ROLES.map((role) => html`<option value="${role}">${roleText(role)}</option>`)}</select></label>
<button>Set the role</button></form>
<p class="hint">This adds an account, or changes the role of a member. Each role has the rights of those before it in the list.</p>`
}

function removal(visit: Visit, origin: string, account: string) {
  return confirmedAct(visit, {
    path: `${originPath(origin)}/members`,
    fields: { account, role: 'none' },
    label: 'Remove',
    effect: `${account} loses its role in ${origin} at once.`,
  })
}
