import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import type { PointerMove } from '../../../ledger/entry.ts'
import { lineKey, parseIdent } from '../../../package/ident.ts'
import { DEFAULT_TARGET } from '../../../package/target.ts'
import { compareReleases } from '../../../package/version.ts'
import { changesAnything, expiryOf } from '../../../revisions/stored-plan.ts'
import type { StoredPlan } from '../../../revisions/stored-plan.ts'
import { counted } from '../../../text/counted.ts'
import { notesOn } from '../../api/promotions/wire.ts'
import { closedForm, postForm, textField } from '../html/forms.ts'
import type { Form } from '../html/forms.ts'
import type { Content } from '../html/layout.ts'
import {
  badge,
  copyable,
  crumbs,
  emptyState,
  packageLink,
  packagePath,
  sentence,
  timeAgo,
  viewLink,
} from '../html/parts.ts'
import { curlCommand } from '../html/shell.ts'
import { RULE_WORDS } from '../html/view-table.ts'
import type { Visit } from '../html/visit.ts'
import { quietReleases, revisionPath, withoutMoves } from '../view/moves.ts'
import { commandOf } from './commands.ts'

/** A plan or a proposal, as its page shows it. */
export interface ShownPlan {
  readonly plan: StoredPlan
  /** The plan that this one replaces, because the view had changed. */
  readonly replaced: StoredPlan | undefined
  /** Whether a person must type the name of the view. */
  readonly needsName: boolean
  readonly mayOverride: boolean
  /** Whether the view refuses changes that nobody else has approved. */
  readonly needsApproval: boolean
  readonly isAuthor: boolean
  /** Whether the rights of the caller allow the change itself. */
  readonly mayChange: boolean
  /** Whether the caller may approve or reject a proposal of somebody else. */
  readonly mayDecide: boolean
}

export function planPath(token: string): string {
  return `/plans/${encodeURIComponent(token)}`
}

export function planContent(visit: Visit, shown: ShownPlan): Content {
  const { plan, replaced } = shown
  const { effect, view } = plan
  const isOpen = plan.end === undefined && expiryOf(plan, visit.now) > visit.now
  const title = `${plan.kind === 'proposal' ? 'Proposal' : 'Plan'} for ${view}`
  return {
    title,
    section: 'pipeline',
    main: html`${crumbs([html`<a href="${visit.to('/')}">Pipeline</a>`, viewLink(visit, view)])}
<h1>${title} ${state(plan, isOpen)}</h1>
<p class="lead">${summary(plan)}</p>
${replaced === undefined ? null : replacement(replaced, plan)}
${ending(visit, plan, isOpen)}
<dl class="facts">
<dt>Made</dt><dd>${timeAgo(visit, plan.createdAt)} by ${plan.account ?? 'the operator'}, on revision ${effect.revision}</dd>
${plan.request.reason === undefined ? null : html`<dt>Reason</dt><dd>${plan.request.reason}</dd>`}
</dl>
${blocked(plan)}
${notesOn(effect).map((note) => html`<p class="notice warn">${sentence(note)}</p>`)}
${moves(visit, plan)}
${missing(plan)}
${isOpen ? decision(visit, shown) : null}
<details><summary>The same on the command line</summary>
<p>Plan and make the change:</p>${copyable(commandOf(plan))}
<p>${plan.kind === 'proposal' ? 'Approve exactly this proposal:' : 'Apply exactly this plan:'}</p>${copyable(`hart-depot ${plan.kind === 'proposal' ? 'approve' : 'apply'} ${plan.token}`)}
${copyable(curlCommand(visit, { method: 'POST', path: `${planPath(plan.token)}/${plan.kind === 'proposal' ? 'approve' : 'apply'}` }))}</details>`,
  }
}

function state({ end }: StoredPlan, isOpen: boolean): SafeHtml {
  if (end !== undefined) return badge(end.how === 'applied' ? 'good' : 'plain', end.how)
  return isOpen ? badge('info', 'open') : badge('plain', 'expired')
}

function summary({ effect, view, request }: StoredPlan): string {
  const { length: count } = effect.pointers
  return `${actOf(request, view, effect.of)}: ${counted(count, 'package')} ${count === 1 ? 'moves' : 'move'}.`
}

function actOf(request: StoredPlan['request'], view: string, of: number | undefined): string {
  switch (request.act) {
    case 'promote':
      return `Promotes into ${view}`
    case 'demote':
      return `Demotes from ${view}`
    case 'rollback':
      return `Rolls ${view} back to revision ${of ?? ''}`
    case 'revert':
      return `Reverts revision ${of ?? ''} of ${view}`
    case 'set-rule':
      return `Lets latest in ${view} be ${RULE_WORDS[request.rule]}`
    default:
      return request satisfies never
  }
}

function ending(visit: Visit, { end, view }: StoredPlan, isOpen: boolean): SafeHtml | null {
  if (end?.how === 'applied')
    return html`<p class="notice good"><b>Applied</b> ${timeAgo(visit, end.at)}${end.by === undefined ? null : html` by ${end.by}`}: it made <a href="${visit.to(revisionPath(view, end.revision ?? 0))}">revision ${end.revision}</a>.</p>`
  if (end !== undefined)
    return html`<p class="notice"><b>${end.how === 'stale' ? 'Replaced' : 'Rejected'}</b> ${timeAgo(visit, end.at)}${end.by === undefined ? null : html` by ${end.by}`}. Nothing was changed.</p>`
  return isOpen ? null : html`<p class="notice">It has expired. Nothing was changed.</p>`
}

function blocked({ effect: { refusals } }: StoredPlan): SafeHtml | null {
  if (refusals.length === 0) return null
  return html`<section class="notice bad" aria-label="Blocked"><p><b>${refusals.length === 1 ? 'One rule blocks it' : `${refusals.length} rules block it`}</b></p><ul>${refusals.map(
    ({ rule, detail, chain = [] }) =>
      html`<li><b>${rule}</b>: ${detail}${chain.length < 2 || detail.includes(chain.join(' → ')) ? null : html`<br /><span class="mono">${chain.join(' → ')}</span>`}</li>`,
  )}</ul></section>`
}

function missing({ effect }: StoredPlan): SafeHtml | null {
  if (effect.missing.length === 0) return null
  return html`<h2>Dependencies that would be missing</h2><ul>${effect.missing.map(
    ({ ident, target, chain }) =>
      html`<li><span class="mono">${ident}</span> <span class="dim">${target}, needed by ${chain.slice(0, -1).join(' → ')}</span></li>`,
  )}</ul>`
}

function moves(visit: Visit, { effect }: StoredPlan): SafeHtml {
  const { pointers, act } = effect
  // A change of the rule moves only `latest`: no release joins or leaves.
  const releases = act === 'set-rule' ? [] : effect.releases
  const joined = withoutMoves(
    releases.filter(({ change }) => change !== 'unchanged' && change !== 'removed'),
    pointers,
    'to',
  )
  const left = withoutMoves(
    releases.filter(({ change }) => change === 'removed'),
    pointers,
    'from',
  )
  if (!changesAnything(effect))
    return emptyState('Nothing would change', html`<p>The view already has all of this.</p>`)
  return html`${pointers.length === 0 ? null : moveTable(visit, pointers)}
${quietReleases(visit, joined, 'Would join, and not be latest')}
${quietReleases(visit, left, 'Would leave, and was not latest')}`
}

function moveTable(visit: Visit, pointers: readonly PointerMove[]): SafeHtml {
  const hasTargets = pointers.some(({ target }) => target !== DEFAULT_TARGET)
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Moves"><table class="full">
<caption>What is latest now, and then</caption>
<thead><tr><th scope="col" data-sortable>Package</th>${hasTargets ? html`<th scope="col">Target</th>` : null}<th scope="col">Now</th><th scope="col">Then</th><th scope="col" data-sortable>Change</th></tr></thead><tbody>
${pointers.map(
  (
    move,
  ) => html`<tr><th scope="row">${packageLink(visit, move.package)}</th>${hasTargets ? html`<td data-label="Target">${move.target}</td>` : null}<td data-label="Now">${version(visit, move.from)}</td><td data-label="Then">${version(visit, move.to)}</td><td data-label="Change">${kindOf(move)}</td></tr>
`,
)}</tbody></table></div>`
}

function version(visit: Visit, ident: string | null): SafeHtml {
  if (ident === null) return html`<span class="none">—</span>`
  const { version: text, release } = parseIdent(ident)
  return html`<a class="release" href="${visit.to(packagePath(ident))}" title="${ident}"><b>${text}</b> <small>${release}</small></a>`
}

function kindOf({ from, to }: PointerMove): SafeHtml {
  if (from === null) return badge('good', 'added')
  if (to === null) return badge('bad', 'removed')
  return compareReleases(parseIdent(to), parseIdent(from)) < 0
    ? badge('warn', 'downgraded')
    : badge('plain', 'moved')
}

/** What a person reads who wanted to apply a plan that has become stale. */
function replacement(before: StoredPlan, after: StoredPlan): SafeHtml {
  const lines = differences(before.effect.pointers, after.effect.pointers)
  return html`<section class="notice warn" role="alert"><p><b>${before.view} has changed while you read. Nothing was applied.</b> This is the new plan, on revision ${after.effect.revision} instead of ${before.effect.revision}.</p>
${lines.length === 0 ? html`<p>The same packages would move in the same way.</p>` : html`<ul>${lines.map((line) => html`<li>${line}</li>`)}</ul>`}</section>`
}

/** Says how the moves of two plans differ, by package and target. */
function differences(before: readonly PointerMove[], after: readonly PointerMove[]): string[] {
  const was = new Map(before.map((move) => [lineKey(move), move]))
  const is = new Map(after.map((move) => [lineKey(move), move]))
  return [...new Set([...is.keys(), ...was.keys()])].flatMap((line) => {
    const [old, present] = [was.get(line), is.get(line)]
    if (present === undefined) return old === undefined ? [] : [`${line}: does not move any more`]
    if (old === undefined) return [`${line}: moves now, too, ${describe(present)}`]
    const isSame = old.from === present.from && old.to === present.to
    return isSame ? [] : [`${line}: ${describe(present)} now, instead of ${describe(old)}`]
  })
}

function describe({ from, to }: PointerMove): string {
  return `${versionText(from)} → ${versionText(to)}`
}

function versionText(ident: string | null): string {
  return ident === null ? 'nothing' : parseIdent(ident).version
}

function decision(visit: Visit, shown: ShownPlan): SafeHtml | null {
  const { plan, isAuthor, mayChange, mayDecide } = shown
  if (!changesAnything(plan.effect)) return null
  const isProposal = plan.kind === 'proposal'
  if (isProposal ? !isAuthor && !mayDecide : !mayChange)
    return html`<p class="hint">You may read this ${isProposal ? 'proposal' : 'plan'}, and not decide about it.</p>`
  return html`<h2>${isProposal ? 'Decide' : 'Make this change'}</h2>
${postForm(visit, { path: planPath(plan.token), className: 'stack change decision', isOnce: true }, (form) => decisionFields(form, shown))}
${mayChange ? previewForm(visit, plan) : null}`
}

function previewForm(visit: Visit, { token, view }: StoredPlan): SafeHtml {
  return closedForm(
    visit,
    { path: `${planPath(token)}/preview`, label: 'Preview it', className: 'filters', isOnce: true },
    (
      form,
    ) => html`<p>A preview is a view that shows ${view} with this plan applied. Supervisors can follow it. It ends with the plan.</p>
${textField(form, { name: 'name', label: 'Name of the view', isRequired: true, placeholder: `${view}-next` })}<button>Make the preview</button>`,
  )
}

function decisionFields(form: Form, shown: ShownPlan): SafeHtml {
  const { plan, needsName, mayOverride, isAuthor } = shown
  const isProposal = plan.kind === 'proposal'
  const isBlocked = plan.effect.refusals.some(({ rule }) => !(isProposal && rule === 'approval'))
  const mayMake = !(isProposal && isAuthor)
  return html`${textField(form, { name: 'reason', label: 'Reason', value: isProposal ? '' : plan.request.reason, maxLength: 500, isProse: true })}
${needsName && mayMake ? textField(form, { name: 'confirm', label: html`This change is wide. Type the name of the view, <b>${plan.view}</b>, to make it` }) : null}
${isBlocked && mayOverride && mayMake ? textField(form, { name: 'override', label: 'Reason for overriding the rules that block it', maxLength: 500, isProse: true }) : null}
<div class="actions">${buttons(shown, isBlocked && !mayOverride)}</div>
${mayMake ? null : html`<p class="hint">A second person must approve it.</p>`}`
}

function buttons({ plan, needsApproval, isAuthor }: ShownPlan, isStopped: boolean): SafeHtml {
  const stopped = isStopped ? html` disabled` : null
  if (plan.kind === 'proposal')
    return html`${isAuthor ? null : html`<button class="primary" name="action" value="approve"${stopped}>Approve and apply</button>`}<button name="action" value="reject" class="danger">${isAuthor ? 'Withdraw' : 'Reject'}</button>`
  return html`<button class="primary" name="action" value="apply"${stopped}>Apply</button><button name="action" value="propose">${needsApproval ? 'Propose, for somebody to approve' : 'Propose instead'}</button>`
}
