import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { passes } from '../../../access/rights.ts'
import { requirements } from '../../../commands/requirements.ts'
import { refusalOf } from '../../../errors.ts'
import { formatPackageName, makePackageName } from '../../../package/ident.ts'
import type { StoredRule } from '../../../retention/rule-store.ts'
import { parsePeriod } from '../../../text/period.ts'
import { describeRule, formatPeriod, formatScope } from '../../../views/retention-rule.ts'
import type { RetentionRule, RuleScope } from '../../../views/retention-rule.ts'
import { RuleBody } from '../../api/retention/shapes.ts'
import { ruleFromBody } from '../../api/retention/wire.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { signedInAnyhow } from '../../requests/rights.ts'
import { checkField, closedForm, postForm, selectField, textField } from '../html/forms.ts'
import type { Form } from '../html/forms.ts'
import { emptyState, timeAgo } from '../html/parts.ts'
import { MAX_NAMES_LENGTH, OptionalNames, OptionalText, parseFields } from '../html/query.ts'
import { curlCommand, sameCommands } from '../html/shell.ts'
import type { Visit } from '../html/visit.ts'
import { Csrf, confirmedAct, table } from './frame.ts'

const PATH = '/admin/retention/rules'
const SCOPES = [
  ['origin', 'an origin'],
  ['package', 'a package'],
  ['view', 'a view'],
  ['depot', 'the whole depot'],
] as const
const ScopeFields = { of: z.enum(['depot', 'origin', 'package', 'view']), name: OptionalText }
const RuleForm = z.object({
  ...Csrf,
  ...ScopeFields,
  act: z.enum(['set', 'remove']),
  keep_all: z.literal('1').optional(),
  keep_last: OptionalText,
  newer_than: OptionalText,
  promoted_to: OptionalNames,
  history: OptionalText,
})

/** Routes for the forms that set, change and remove retention rules. `showForm` sends the page with them. */
export function retentionRuleRoutes(
  app: FastifyInstance,
  { depot }: RouteContext,
  showForm: (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>,
): void {
  app
    .withTypeProvider<ZodTypeProvider>()
    .post(PATH, { schema: { body: RuleForm }, config: { showForm } }, async (request, reply) => {
      const { act } = request.body
      const scope = scopeOf(request.body)
      request.subject = `retention of ${formatScope(scope)}`
      const rule = act === 'remove' ? undefined : ruleOf(request.body)
      requirements.setRetention(signedInAnyhow(request), { scope, rule })
      const input = { scope, rule }
      await depot.writer.submit({ kind: 'setRetention', input, actor: actorOf(request, 'page') })
      return reply.redirect(request.visit.to('/admin/retention'), 303)
    })
}

function scopeOf({ of, name }: Pick<z.infer<typeof RuleForm>, 'of' | 'name'>): RuleScope {
  if (of === 'depot') return { of }
  if (name === undefined)
    throw refusalOf('invalid_request', [{ pointer: '/name', detail: `is missing: which ${of}?` }])
  if (of === 'package') {
    const [origin = '', ...rest] = name.split('/')
    return { of, package: formatPackageName(makePackageName({ origin, name: rest.join('/') })) }
  }
  return of === 'origin' ? { of, origin: name } : { of, view: name }
}

function ruleOf(form: z.infer<typeof RuleForm>): RetentionRule {
  const { keep_all: all, keep_last: last, promoted_to: views } = form
  const newer = secondsOf('newer_than', form.newer_than)
  const history = secondsOf('history', form.history)
  return ruleFromBody(
    parseFields(RuleBody, {
      ...(all !== undefined && { keep_all: true }),
      ...(last !== undefined && { keep_last: Number(last) }),
      ...(newer !== undefined && { newer_than_seconds: newer }),
      ...(views !== undefined && { promoted_to: views }),
      ...(history !== undefined && { history_seconds: history }),
    }),
  )
}

function secondsOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const ms = parsePeriod(text)
  if (ms === undefined)
    throw refusalOf('invalid_request', [
      { pointer: `/${name}`, detail: 'write a time such as 90d, 12h or 30m' },
    ])
  return ms / 1_000
}

/** The rules, with the forms that the caller may use. */
export function rulesSection(visit: Visit, rules: readonly StoredRule[]): SafeHtml {
  const maySetAny =
    maySet(visit, { of: 'depot' }) ||
    [...(visit.caller?.roles.keys() ?? [])].some((origin) => maySet(visit, { of: 'origin', origin }))
  return html`<h2>Rules</h2>
${
  rules.length === 0
    ? emptyState(
        'No rules: every release stays',
        html`<p>A rule says what stays. Everything else goes, once nothing needs it.</p>`,
      )
    : table(
        'Rules',
        ['Of', 'What stays', 'Set', 'By', ...(maySetAny ? ['Change'] : [])],
        rules.map((stored) => [
          stored.scope.of === 'depot' ? 'the depot' : formatScope(stored.scope),
          describeRule(stored.rule),
          timeAgo(visit, stored.since),
          stored.by ?? 'the command line',
          ...(maySetAny ? [maySet(visit, stored.scope) ? changes(visit, stored) : ''] : []),
        ]),
      )
}
${maySetAny ? newRuleForm(visit) : null}`
}

function maySet({ caller }: Visit, scope: RuleScope): boolean {
  return caller !== undefined && passes(() => requirements.setRetention(caller, { scope, rule: undefined }))
}

function changes(visit: Visit, { scope, rule }: StoredRule): SafeHtml {
  const of = { of: scope.of, name: nameOf(scope) }
  return html`${closedForm(
    visit,
    { path: PATH, fields: { ...of, act: 'set' }, label: 'Change', className: 'stack change' },
    (form) =>
      html`${ruleFields(form, scope.of, rule)}<div class="actions"><button>Change the rule</button></div>`,
  )}${confirmedAct(visit, {
    path: PATH,
    fields: { ...of, act: 'remove' },
    label: 'Remove',
    effect:
      scope.of === 'view'
        ? 'Without a rule, all members of the view stay.'
        : 'The rule of the next wider scope counts then; without one, everything stays.',
  })}`
}

function newRuleForm(visit: Visit): SafeHtml {
  const rule = { keep_last: 3, newer_than_seconds: 7_776_000 }
  return html`<h2>Set a rule</h2>
${postForm(
  visit,
  { path: PATH, fields: { act: 'set' }, className: 'stack change' },
  (form) => html`<div class="filters">${selectField(form, {
    name: 'of',
    label: 'Of',
    options: maySet(visit, { of: 'depot' }) ? SCOPES : SCOPES.slice(0, 2),
  })}${textField(form, { name: 'name', label: 'Its name', placeholder: 'acme, acme/app, delivered' })}</div>
${ruleFields(form, undefined, {})}
<div class="actions"><button class="primary">Set the rule</button></div>`,
)}
<p class="hint">A release stays if one of the fields keeps it, or if a view, a dependency or a hold needs it. The depot applies a new rule after a day: look at a dry run before.</p>
${sameCommands([
  'hart-depot retention set --origin acme --keep-last 3 --newer-than 90d',
  curlCommand(visit, { method: 'PUT', path: '/retention/rules/origins/acme', body: rule }),
])}`
}

/** The fields of a rule. Without a scope, the fields of all scopes. */
function ruleFields(form: Form, of: RuleScope['of'] | undefined, rule: RetentionRule): SafeHtml {
  const { keepAll, keepLast, newerThanMs, promotedTo, historyMs } = rule
  return html`<fieldset><legend>What stays</legend>
${textField(form, { name: 'keep_last', label: 'The highest releases of each package', value: keepLast?.toString(), maxLength: 4, placeholder: 'such as 3' })}
${textField(form, { name: 'newer_than', label: of === 'view' ? 'Members that joined within' : 'Releases published within', value: newerThanMs === undefined ? '' : formatPeriod(newerThanMs), maxLength: 12, placeholder: 'such as 90d' })}
${of === 'view' ? null : textField(form, { name: 'promoted_to', label: 'Releases that were ever in one of these views', value: promotedTo?.join(', '), maxLength: MAX_NAMES_LENGTH, placeholder: 'such as delivered' })}
${of === 'view' || of === undefined ? textField(form, { name: 'history', label: of === undefined ? 'What left the view within (views alone)' : 'What left the view within', value: historyMs === undefined ? '' : formatPeriod(historyMs), maxLength: 12, placeholder: '30d' }) : null}
${of === 'view' ? null : checkField(form, { name: 'keep_all', label: 'everything, whatever a wider rule says', isChecked: keepAll === true })}
</fieldset>`
}

function nameOf(scope: RuleScope): string {
  switch (scope.of) {
    case 'depot':
      return ''
    case 'origin':
      return scope.origin
    case 'package':
      return scope.package
    case 'view':
      return scope.view
    default:
      return scope satisfies never
  }
}
