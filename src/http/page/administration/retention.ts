import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import { originOf } from '../../../package/ident.ts'
import { listRules } from '../../../retention/rule-store.ts'
import { formatBytes } from '../../../text/columns.ts'
import { placeIn } from '../../api/conventions/pages.ts'
import { CandidatePlace, describeVerdicts, expectFilter, judgesOnly } from '../../api/retention/verdicts.ts'
import type { RouteContext } from '../../requests/request.ts'
import { needs } from '../../requests/rights.ts'
import { badge, emptyState, releaseLink } from '../html/parts.ts'
import { OptionalText } from '../html/query.ts'
import type { Visit } from '../html/visit.ts'
import { retentionRuleRoutes, rulesSection } from './retention-rules.ts'
import { ListQuery, adminContent, cutList, link, pager, table } from './frame.ts'

const PATH = '/admin/retention'
const DryRunQuery = ListQuery.extend({
  origin: OptionalText,
  name: OptionalText,
  only: z
    .enum(['', 'going', 'staying'])
    .transform((only) => (only === '' ? undefined : only))
    .optional(),
})

/** Pages for retention: its rules, and a dry run. */
export function retentionPages(app: FastifyInstance, context: RouteContext): void {
  const { depot } = context
  const pages = app.withTypeProvider<ZodTypeProvider>()

  const showForm = async (request: FastifyRequest, reply: FastifyReply) => {
    const { visit, caller } = request
    const { seesAll, origins } = audienceOf(caller)
    const rules = (await listRules(depot.db)).filter(
      ({ scope }) => scope.of !== 'package' || seesAll || origins.includes(originOf(scope.package)),
    )
    return reply.page(
      adminContent(visit, {
        title: 'Retention',
        main: html`${rulesSection(visit, rules)}
<h2>Dry run</h2>
<p>Says of each release whether it stays, and why. Nothing changes.</p>
${dryRunForm(visit, {})}`,
      }),
    )
  }
  pages.get(PATH, { onRequest: needs('read') }, showForm)
  retentionRuleRoutes(app, context, showForm)

  pages.get(
    `${PATH}/dry-run`,
    { schema: { querystring: DryRunQuery }, onRequest: judgesOnly },
    async (request, reply) => {
      const { visit, caller, query } = request
      const { origin, name, only, limit } = query
      expectFilter({ origin, name })
      const listKey = { list: 'retention', origin, name }
      const after = placeIn(query, listKey, CandidatePlace)
      const { verdicts } = await depot.judge({ after, limit: limit + 1, origin, name })
      const { items, next } = cutList(request.visit, query, {
        items: verdicts,
        listKey,
        placeOf: ({ release: { packageId, target, orderKey } }) => [packageId, target, orderKey],
        path: `${PATH}/dry-run`,
        filters: { origin, name, only },
      })
      const shown = items.filter(
        ({ reasons }) => only === undefined || (only === 'going') === (reasons.length === 0),
      )
      const described = await describeVerdicts(depot.db, shown, caller)
      return reply.page(
        adminContent(visit, {
          title: 'Dry run of retention',
          above: [link(visit, PATH, 'Retention')],
          main: html`${dryRunForm(visit, query)}
${described.length === 0 ? emptyState(next === null ? 'No release fits' : 'No release of this page fits', html`<p>The filter leaves nothing to show.</p>`) : verdictTable(visit, described)}${pager(next)}`,
        }),
      )
    },
  )
}

function dryRunForm(
  visit: Visit,
  {
    origin,
    name,
    only,
  }: { origin?: string | undefined; name?: string | undefined; only?: string | undefined },
): SafeHtml {
  const option = (value: string, label: string) =>
    html`<option value="${value}"${value === (only ?? '') ? html` selected` : null}>${label}</option>`
  return html`<form class="filters" action="${visit.to(`${PATH}/dry-run`)}">
<label>Origin<input name="origin" value="${origin ?? ''}" maxlength="255" spellcheck="false" /></label>
<label>Package<input name="name" value="${name ?? ''}" maxlength="255" spellcheck="false" /></label>
<label>Show<select name="only">${option('', 'all releases')}${option('going', 'those that would go')}${option('staying', 'those that stay')}</select></label>
<button>Show</button></form>`
}

function verdictTable(visit: Visit, verdicts: Awaited<ReturnType<typeof describeVerdicts>>): SafeHtml {
  return table(
    'Verdicts',
    ['Release', 'Verdict', 'Why', 'Frees'],
    verdicts.map(({ ident, target, goes, detail, freed_bytes: freed }) => [
      html`${ident.split('/').slice(0, 2).join('/')} ${releaseLink(visit, ident, target)}`,
      goes ? badge('warn', 'would go') : badge('good', 'stays'),
      detail.slice(ident.length + 1),
      freed === 0 ? '' : formatBytes(freed),
    ]),
  )
}
