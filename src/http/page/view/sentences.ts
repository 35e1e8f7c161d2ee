import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { isInForce } from '../../../views/freeze.ts'
import type { ViewFreeze } from '../../../views/freeze.ts'
import type { Requirement, View } from '../../../views/view.ts'
import { keepsMembers } from '../../../views/view.ts'
import { formatPeriod, listWords, timeAgo, viewLink } from '../html/parts.ts'
import type { Visit } from '../html/visit.ts'

/** What holds for changes of a view, in sentences. `view.freezes` are those that the reader may see. */
export function ruleSentences(visit: Visit, view: View): SafeHtml[] {
  const { rule, gates, ungoverned } = view
  const { requires = [], closure, downgrade, settleMs, promoters, approval, overriders } = gates
  const sentences = [
    rule === 'promoted'
      ? html`The latest release of a package is the one that was promoted last, even if its version is lower.`
      : html`The latest release of a package is the one with the highest version in the view.`,
    ...view.freezes
      .filter((freeze) => isInForce(freeze, visit.now))
      .map((freeze) => freezeSentence(visit, freeze)),
    promoters === undefined
      ? html`Maintainers of the origin of a package may change what this view has of it.`
      : html`Only ${names([...promoters, 'administrators'])} may change this view.`,
    ...requires.map((requirement) => requirementSentence(visit, requirement)),
  ]
  if (closure === 'depot') sentences.push(html`Everything on which a release depends must be in this depot.`)
  if (closure === 'view')
    sentences.push(
      html`Everything on which a release depends must be in this view, and nothing that others here need may leave.`,
    )
  if (downgrade !== undefined)
    sentences.push(html`A promotion must not lower a version. Rollbacks and reverts may.`)
  if (settleMs !== undefined)
    sentences.push(
      html`After a package has moved, it rests for ${formatPeriod(settleMs)}. Rollbacks and reverts need not wait.`,
    )
  if (approval !== undefined)
    sentences.push(
      html`A second person must approve each change: ${
        approval.approvers === undefined
          ? 'anyone else who may promote'
          : html`one of ${names(approval.approvers)}`
      }. A proposal expires after ${formatPeriod(approval.expiresMs)}.`,
    )
  if (overriders !== undefined)
    sentences.push(html`${names([...overriders, 'administrators'])} may override all this, with a reason.`)
  if (keepsMembers(view)) sentences.push(html`Releases in this view cannot be deleted.`)
  if (ungoverned.length > 0)
    sentences.push(
      html`Packages of ${names(ungoverned)} come from the channel that a Supervisor asks for, not from this view.`,
    )
  return sentences
}

function freezeSentence(
  visit: Visit,
  { origin, name, reason, until, by, since, isOfAll }: ViewFreeze,
): SafeHtml {
  const what =
    name !== undefined
      ? html`<b>${origin ?? 'every origin'}/${name} is frozen</b>`
      : origin !== undefined
        ? html`<b>The origin ${origin} is frozen</b>`
        : html`<b>Frozen</b>`
  return html`${what}${isOfAll ? ' in every view' : null} by ${by}, ${timeAgo(visit, since)}${
    until === undefined
      ? null
      : html`, until ${new Date(until).toISOString().slice(0, 16).replace('T', ' ')} UTC`
  }: ${reason}`
}

function requirementSentence(visit: Visit, { view, as, soakMs, phases = [] }: Requirement): SafeHtml {
  return html`A release must be ${as === 'current' ? 'the latest one' : 'a member'} in ${viewLink(visit, view)}${
    soakMs === undefined ? null : html`, and must have been so for ${formatPeriod(soakMs)}`
  }.${
    phases.length === 0
      ? null
      : html` ${phases.length === 1 ? 'The phase' : 'The phases'} ${names(phases)} must have passed there for exactly this release.`
  }`
}

/** Lists accounts, groups and other names. Gates name a group as `group:NAME`. */
function names(list: readonly string[]): SafeHtml {
  return html`<b>${listWords(list.map((name) => name.replace(/^group:/, 'the group ')))}</b>`
}
