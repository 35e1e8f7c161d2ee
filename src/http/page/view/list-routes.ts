import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { listViews } from '../../../revisions/view-store.ts'
import { VIEW_RULES } from '../../../views/rule.ts'
import { NewView } from '../../api/views/shapes.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly } from '../../requests/rights.ts'
import { postForm, selectField, textField } from '../html/forms.ts'
import { mayAdministrate } from '../html/may-change.ts'
import { Once, onceKey } from '../html/once.ts'
import { crumbs, viewPath } from '../html/parts.ts'
import { parseFields } from '../html/query.ts'
import { curlCommand, sameCommands } from '../html/shell.ts'
import { RULE_WORDS, viewTable } from '../html/view-table.ts'
import type { Visit } from '../html/visit.ts'

const PATH = '/views'
const NewViewForm = z.object({
  _csrf: z.string(),
  ...Once,
  name: z.string().trim(),
  rule: z.string().max(20),
})

/** Routes for the list of the open views, and for the form that creates one. */
export function viewListRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()

  const showForm = async ({ visit }: FastifyRequest, reply: FastifyReply) =>
    reply.page({
      title: 'Views',
      section: 'pipeline',
      follows: 'everything',
      main: html`${crumbs([html`<a href="${visit.to('/')}">Pipeline</a>`])}
<h1>Views</h1>
${viewTable(visit, await listViews(depot.db))}
${mayAdministrate(visit.caller) ? newViewForm(visit) : null}`,
    })
  pages.get(PATH, showForm)

  pages.post(
    PATH,
    { schema: { body: NewViewForm }, onRequest: administratorOnly, config: { showForm } },
    async (request, reply) => {
      const { _csrf, once: _once, ...fields } = request.body
      request.subject = `view ${fields.name}`
      const { name } = await depot.writer.submit({
        kind: 'createView',
        input: { ...parseFields(NewView, fields), maker: 'operator', idempotency: onceKey(request) },
        actor: actorOf(request, 'page'),
      })
      return reply.redirect(request.visit.to(viewPath(name)), 303)
    },
  )
}

function newViewForm(visit: Visit): SafeHtml {
  return html`<h2>Create a view</h2>
${postForm(
  visit,
  { path: PATH, className: 'filters', isOnce: true },
  (form) => html`${textField(form, {
    name: 'name',
    label: 'Name',
    isRequired: true,
    pattern: [
      '[A-Za-z0-9][A-Za-z0-9._@\\-]*',
      'letters, digits and . _ @ -, starting with a letter or digit',
    ],
  })}
${selectField(form, { name: 'rule', label: 'Latest is', options: VIEW_RULES.map((rule) => [rule, RULE_WORDS[rule]] as const) })}<button>Create</button>`,
)}
<p class="hint">The view is empty at first. The name of a closed view opens it again, and its revisions continue.</p>
${sameCommands([
  'hart-depot view create NAME',
  curlCommand(visit, { method: 'POST', path: PATH, body: { name: 'NAME', rule: 'promoted' } }),
])}`
}
