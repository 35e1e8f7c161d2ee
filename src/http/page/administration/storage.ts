import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import { DepotError, quote } from '../../../errors.ts'
import { listOriginSizes } from '../../../origins/storage-store.ts'
import { formatBytes } from '../../../text/columns.ts'
import { parseSize } from '../../../text/size.ts'
import { placeIn } from '../../api/conventions/pages.ts'
import { describeDepot } from '../../api/storage/describe.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly, signedIn } from '../../requests/rights.ts'
import { postForm, textField } from '../html/forms.ts'
import { mayAdministrate } from '../html/may-change.ts'
import { emptyState } from '../html/parts.ts'
import { OptionalText } from '../html/query.ts'
import { curlCommand, sameCommands } from '../html/shell.ts'
import type { Visit } from '../html/visit.ts'
import { Csrf, FIRST_PAGE, ListQuery, adminContent, cutList, facts, link, pager, table } from './frame.ts'

const PATH = '/admin/storage'
const QuotaForm = z.object({ ...Csrf, origin: OptionalText, quota: OptionalText })

/** Pages for the bytes that releases use, and their quotas. */
export function storagePages(app: FastifyInstance, { depot }: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()

  const show = async (request: FastifyRequest, reply: FastifyReply, query: ListQuery) => {
    const { visit } = request
    const caller = signedIn(request, 'read')
    const listKey = { list: 'origin sizes', of: caller.accountName }
    const after = placeIn(query, listKey, z.string())
    const page = { after, before: undefined, limit: query.limit + 1 }
    const found = await listOriginSizes(depot.db, page, audienceOf(caller))
    const { items, next } = cutList(request.visit, query, {
      items: found,
      listKey,
      placeOf: ({ name }) => name,
      path: PATH,
    })
    const mayChange = mayAdministrate(caller)
    const whole = mayChange ? await describeDepot(depot) : undefined
    const rows = items.map(({ name, releases, bytes, quotaBytes }) => [
      link(visit, `/admin/origins/${encodeURIComponent(name)}`, name),
      releases,
      formatBytes(bytes),
      quotaBytes === undefined ? 'none' : formatBytes(quotaBytes),
    ])
    return reply.page(
      adminContent(visit, {
        title: 'Storage',
        main: html`${whole === undefined ? null : totals(whole)}
<h2>Origins</h2>
${rows.length === 0 ? emptyState('No origins', html`<p>You have no role in an origin.</p>`) : table('Origins', ['Origin', 'Releases', 'Used', 'Quota'], rows)}${pager(next)}
${mayChange ? quotaForm(visit) : null}`,
      }),
    )
  }
  const showForm = async (request: FastifyRequest, reply: FastifyReply) => show(request, reply, FIRST_PAGE)

  pages.get(PATH, { schema: { querystring: ListQuery } }, async (request, reply) =>
    show(request, reply, request.query),
  )

  pages.post(
    `${PATH}/quota`,
    { schema: { body: QuotaForm }, onRequest: administratorOnly, config: { showForm } },
    async (request, reply) => {
      const { origin, quota } = request.body
      const bytes = quota === undefined ? null : parseSize(quota)
      if (bytes === undefined)
        throw new DepotError('invalid_request', `${quote(quota ?? '')} is not a size such as 20GiB`)
      request.subject = `the quota of ${origin === undefined ? 'the depot' : `the origin ${origin}`}, ${bytes ?? 'none'}`
      await depot.writer.submit({
        kind: 'setQuota',
        input: { ...(origin !== undefined && { origin }), bytes },
        actor: actorOf(request, 'page'),
      })
      return reply.redirect(request.visit.to(PATH), 303)
    },
  )
}

function totals({
  releases,
  used_bytes: used,
  quota_bytes: quota,
  unneeded_bytes: unneeded,
  warning,
  months,
}: Awaited<ReturnType<typeof describeDepot>>): SafeHtml {
  return html`${warning === null ? null : html`<p class="notice warn" role="alert">${warning.slice(0, 1).toUpperCase()}${warning.slice(1)}.</p>`}
${facts([
  ['Used', `${formatBytes(used)} in ${releases} ${releases === 1 ? 'release' : 'releases'}`],
  ['Quota of the depot', quota === null ? 'none' : formatBytes(quota)],
  ['Not yet removed', formatBytes(unneeded)],
])}
${
  months.length === 0
    ? null
    : html`<details><summary>Received in each month</summary>${table(
        'Months',
        ['Month', 'Releases', 'Bytes'],
        months.map(({ month, bytes, ...counted }) => [month, counted.releases, formatBytes(bytes)]),
      )}</details>`
}`
}

function quotaForm(visit: Visit): SafeHtml {
  return html`<h2>Set a quota</h2>
${postForm(
  visit,
  { path: `${PATH}/quota`, className: 'filters' },
  (form) => html`${textField(form, { name: 'origin', label: 'Origin', placeholder: 'the whole depot' })}
${textField(form, { name: 'quota', label: 'Quota', maxLength: 30, placeholder: 'none; or 20GiB' })}<button>Set the quota</button>`,
)}
<p class="hint">Beyond its quota, an origin gets no further releases. None is deleted.</p>
${sameCommands([
  'hart-depot quota set 20GiB --origin acme',
  curlCommand(visit, { method: 'PUT', path: '/origins/acme/quota', body: { bytes: 21_474_836_480 } }),
  'hart-depot quota remove --origin acme',
])}`
}
