import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import type { ViewRule } from '../../../views/rule.ts'
import type { View } from '../../../views/view.ts'
import { viewLink } from './parts.ts'
import type { Visit } from './visit.ts'

/** The end of a sentence that begins with "latest is", for each rule of views. */
export const RULE_WORDS: Readonly<Record<ViewRule, string>> = {
  promoted: 'the release promoted last',
  highest: 'the highest version',
}

/** A table of views with their rules, revisions and makers. */
export function viewTable(visit: Visit, views: readonly View[]): SafeHtml {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Views"><table><thead><tr><th scope="col" data-sortable>View</th><th scope="col">Latest is</th><th scope="col" class="number">Revision</th><th scope="col">Made by</th></tr></thead><tbody>
${views.map(
  (view) =>
    html`<tr><th scope="row">${viewLink(visit, view.name)}</th><td data-label="Latest is">${RULE_WORDS[view.rule]}</td><td data-label="Revision" class="number">${view.revision}</td><td data-label="Made by">${makerOf(view)}</td></tr>`,
)}
</tbody></table></div>`
}

function makerOf({ maker, preview }: View): string {
  if (preview !== undefined) return 'a preview'
  return { client: 'a Habitat client', depot: 'the depot', operator: 'an operator' }[maker]
}
