import { html } from '@remix-run/html-template'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { listCommonFreezes } from '../../../revisions/freeze-store.ts'
import { isInForce } from '../../../views/freeze.ts'
import { parsePackageFilter } from '../../api/conventions/package-filter.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly } from '../../requests/rights.ts'
import { postForm, textField } from '../html/forms.ts'
import { emptyState, timeAgo } from '../html/parts.ts'
import { OptionalPeriod, OptionalText } from '../html/query.ts'
import { curlCommand, sameCommands } from '../html/shell.ts'
import { Csrf, actButton, adminContent, table } from './frame.ts'

const PATH = '/admin/freezes'
const onRequest = administratorOnly
const ThawForm = z.object({ ...Csrf, origin: OptionalText, name: OptionalText })
const FreezeForm = ThawForm.extend({ reason: z.string().trim().min(1).max(500), period: OptionalPeriod })

/** The page for freezes of every view. */
export function freezePages(app: FastifyInstance, { depot }: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()
  const { db, writer, now } = depot

  const showForm = async ({ visit }: FastifyRequest, reply: FastifyReply) => {
    const freezes = (await listCommonFreezes(db)).filter((freeze) => isInForce(freeze, visit.now))
    return reply.page(
      adminContent(visit, {
        title: 'Freezes of every view',
        main: html`<p class="lead">They hold in every view but unstable, and in views that are created later.</p>
${
  freezes.length === 0
    ? emptyState(
        'Nothing is frozen everywhere',
        html`<p>A view can also be frozen by itself, on its page.</p>`,
      )
    : table(
        'Freezes',
        ['What', 'Why', 'By', 'Since', 'Until', ''],
        freezes.map(({ origin, name, reason, by, since, until }) => [
          origin === undefined && name === undefined ? 'everything' : `${origin ?? '*'}/${name ?? '*'}`,
          reason,
          by,
          timeAgo(visit, since),
          until === undefined ? 'it is thawed' : timeAgo(visit, until),
          actButton(visit, {
            path: `${PATH}/thaw`,
            fields: { origin: origin ?? '', name: name ?? '' },
            label: 'Thaw',
          }),
        ]),
      )
}
<h2>Freeze every view</h2>
${postForm(
  visit,
  { path: PATH, className: 'filters' },
  (
    form,
  ) => html`${textField(form, { name: 'reason', label: 'Reason', isRequired: true, maxLength: 500, isProse: true })}
${textField(form, { name: 'period', label: 'For, such as 6h or 2d', maxLength: 8, placeholder: 'until it is thawed' })}
${textField(form, { name: 'origin', label: 'Only the origin' })}
${textField(form, { name: 'name', label: 'Only the name' })}<button class="danger">Freeze</button>`,
)}
${sameCommands([
  "hart-depot freeze --all --reason 'end of the year' --until 6h",
  curlCommand(visit, { method: 'PUT', path: '/freeze', body: { reason: 'end of the year' } }),
  'hart-depot thaw --all',
  curlCommand(visit, { method: 'DELETE', path: '/freeze' }),
])}`,
      }),
    )
  }
  pages.get(PATH, { onRequest }, showForm)

  pages.post(
    PATH,
    { schema: { body: FreezeForm }, onRequest, config: { showForm } },
    async (request, reply) => {
      const { reason, period, origin, name } = request.body
      request.subject = 'freeze every view'
      const input = {
        ...parsePackageFilter({ origin, name }),
        reason,
        ...(period !== undefined && { until: now() + period }),
      }
      await writer.submit({ kind: 'freezeAll', input, actor: actorOf(request, 'page') })
      return reply.redirect(request.visit.to(PATH), 303)
    },
  )

  pages.post(
    `${PATH}/thaw`,
    { schema: { body: ThawForm }, onRequest, config: { showForm } },
    async (request, reply) => {
      const { origin, name } = request.body
      request.subject = 'thaw every view'
      const input = { ...parsePackageFilter({ origin, name }) }
      await writer.submit({ kind: 'thawAll', input, actor: actorOf(request, 'page') })
      return reply.redirect(request.visit.to(PATH), 303)
    },
  )
}
