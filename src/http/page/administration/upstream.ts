import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { DepotError } from '../../../errors.ts'
import { adoptedChannels } from '../../../upstream/channels.ts'
import { describeUpstream } from '../../api/upstream/describe.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly } from '../../requests/rights.ts'
import { badge, emptyState, timeAgo } from '../html/parts.ts'
import { curlCommand, sameCommands } from '../html/shell.ts'
import type { Visit } from '../html/visit.ts'
import { Csrf, actButton, adminContent, facts, table } from './frame.ts'

const PATH = '/admin/upstream'
type Described = Awaited<ReturnType<typeof describeUpstream>>

/** Pages for the upstream depot. */
export function upstreamPages(app: FastifyInstance, context: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()
  const { depot, refresher } = context

  const showForm = async (request: FastifyRequest, reply: FastifyReply) => {
    const { visit } = request
    const described = await describeUpstream(context)
    return reply.page(
      adminContent(visit, {
        title: 'Upstream',
        main:
          described.url === null
            ? emptyState(
                'This depot has no upstream',
                html`<p>With <code>DEPOT_UPSTREAM</code>, origins such as <code>core</code> come from another depot.</p>`,
              )
            : describedUpstream(visit, described),
      }),
    )
  }
  pages.get(PATH, { onRequest: administratorOnly }, showForm)

  pages.post(
    `${PATH}/refresh`,
    { schema: { body: z.object(Csrf) }, onRequest: administratorOnly, config: { showForm } },
    async (request, reply) => {
      if (refresher === undefined) throw new DepotError('not_found', 'this depot has no upstream')
      await refresher.refresh(await adoptedChannels(depot), {
        acceptsRemovals: false,
        by: request.caller?.accountName,
      })
      return reply.redirect(request.visit.to(PATH), 303)
    },
  )
}

function describedUpstream(visit: Visit, { url, origins, channels }: Described): SafeHtml {
  return html`${facts([
    ['Depot', url ?? ''],
    ['Origins', origins.join(', ')],
  ])}
${table(
  'Channels',
  ['Channel', 'State', 'As upstream had it', 'Releases', 'Fetched'],
  channels.map((channel) => [
    `${channel.origin}/${channel.channel}`,
    stateOf(channel),
    channel.refreshed_at === null ? 'never' : timeAgo(visit, Date.parse(channel.refreshed_at)),
    channel.releases,
    channel.fetched,
  ]),
)}
${actButton(visit, { path: `${PATH}/refresh`, fields: {}, label: 'Refresh all channels' })}
<p class="hint">A refresh goes on in the background. Releases are fetched when somebody asks for them.</p>
${sameCommands(['hart-depot upstream refresh', curlCommand(visit, { method: 'POST', path: '/upstream/refresh', body: {} })])}`
}

function stateOf({
  adopted,
  refreshing,
  fault,
  held_removals: held,
}: Described['channels'][number]): SafeHtml {
  if (!adopted) return badge('warn', 'the origin is not from upstream')
  if (refreshing) return badge('info', 'refreshing')
  if (held > 0) return html`${badge('warn', 'held')} it would remove ${held} releases`
  return fault === null ? badge('good', 'up to date') : html`${badge('bad', 'failed')} ${fault}`
}
