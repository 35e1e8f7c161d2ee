import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import { originOf } from '../../../package/ident.ts'
import { listRules } from '../../../retention/rule-store.ts'
import { formatBytes } from '../../../text/columns.ts'
import { describeRule, formatScope } from '../../../views/retention-rule.ts'
import { cutPage, placeIn } from '../../api/conventions/pages.ts'
import { CandidatePlace, describeVerdicts, expectFilter, judgesOnly } from '../../api/retention/verdicts.ts'
import type { RouteContext } from '../../requests/request.ts'
import { needs } from '../../requests/rights.ts'
import { badge, emptyState, releaseLink, timeAgo } from '../html/parts.ts'
import { OptionalText } from '../html/query.ts'
import type { Visit } from '../html/visit.ts'
import { ListQuery, adminContent, link, pager, table } from './frame.ts'

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
export function retentionPages(app: FastifyInstance, { depot }: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()

  pages.get(PATH, { onRequest: needs('read') }, async (request, reply) => {
    const { visit, caller } = request
    const { seesAll, origins } = audienceOf(caller)
    const rules = (await listRules(depot.db)).filter(
      ({ scope }) => scope.of !== 'package' || seesAll || origins.includes(originOf(scope.package)),
    )
    return reply.page(
      adminContent(visit, {
        title: 'Retention',
        main: html`<h2>Rules</h2>
${
  rules.length === 0
    ? emptyState(
        'No rules: every release stays',
        html`<p><code>hart-depot retention set</code> makes a rule. Look at a dry run before it applies.</p>`,
      )
    : table(
        'Rules',
        ['Of', 'Rule', 'Set', 'By'],
        rules.map(({ scope, rule, by, since }) => [
          scope.of === 'depot' ? 'the depot' : formatScope(scope),
          describeRule(rule),
          timeAgo(visit, since),
          by ?? 'the command line',
        ]),
      )
}
<h2>Dry run</h2>
<p>Says of each release whether it stays, and why. Nothing changes.</p>
${dryRunForm(visit, {})}`,
      }),
    )
  })

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
      const { items, next } = cutPage(request, reply, {
        items: verdicts,
        listKey,
        placeOf: ({ release: { packageId, target, orderKey } }) => [packageId, target, orderKey],
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
