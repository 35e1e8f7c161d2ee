import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { formatIdent } from '../../../package/ident.ts'
import type { Mark } from '../../../package/mark.ts'
import { DEFAULT_TARGET } from '../../../package/target.ts'
import type { Release } from '../../../releases/release.ts'
import { shellQuote, shellWord } from '../../../text/shell-quote.ts'
import type { Content } from '../html/layout.ts'
import { postForm, textField } from '../html/forms.ts'
import { crumbs, packagePath, releasePath, timeAgo } from '../html/parts.ts'
import { withQuery } from '../html/query.ts'
import { curlCommand, sameCommands } from '../html/shell.ts'
import type { Visit } from '../html/visit.ts'

interface Words {
  readonly title: string
  readonly undo: string
  readonly effect: string
  readonly example: string
  /** The last part of the path in the API. */
  readonly resource: string
}

const WORDS: Readonly<Record<Mark, Words>> = {
  yanked: {
    title: 'Yank',
    undo: 'Unyank',
    effect:
      'Nobody can promote a yanked release. Views whose latest release is the one with the highest version skip it at once; other views keep it until somebody promotes, demotes or rolls back. It can still be downloaded by its full ident.',
    example: 'loses data',
    resource: 'yank',
  },
  deprecated: {
    title: 'Deprecate',
    undo: 'Undeprecate',
    effect: 'Lists, plans and promotions warn of a deprecated release. Nothing else changes.',
    example: 'use 2.x',
    resource: 'deprecation',
  },
  held: {
    title: 'Hold',
    undo: 'Unhold',
    effect: 'Retention keeps a release that is held.',
    example: 'evidence',
    resource: 'hold',
  },
}

/** The path of the forms for the marks of a release. */
export function marksPath({ ident, target }: Pick<Release, 'ident' | 'target'>): string {
  return withQuery(`${packagePath(formatIdent(ident))}/marks`, {
    target: target === DEFAULT_TARGET ? undefined : target,
  })
}

/** The forms that yank, deprecate and hold a release, and that end this. */
export function marksContent(visit: Visit, release: Release): Content {
  const ident = formatIdent(release.ident)
  return {
    title: `Yank, deprecate or hold ${ident}`,
    section: 'none',
    main: html`${crumbs([html`<a href="${visit.to('/')}">Pipeline</a>`, html`<a href="${visit.to(releasePath(ident, release.target))}">${ident}</a>`])}
<h1>Yank, deprecate or hold</h1>
<p class="lead"><span class="mono">${ident}</span> for ${release.target}</p>
${(['yanked', 'deprecated', 'held'] as const).map((mark) => markForm(visit, release, mark))}
${sameCommands(Object.values(WORDS).flatMap((words) => commandsOf(visit, release, words)))}`,
  }
}

function markForm(visit: Visit, release: Release, mark: Mark): SafeHtml {
  const present = release[mark]
  const { title, undo, effect } = WORDS[mark]
  return html`<h2>${title}</h2>
<p>${effect}</p>
${postForm(
  visit,
  {
    path: marksPath(release),
    fields: { mark, act: present === undefined ? 'set' : 'remove' },
    className: 'stack change',
  },
  (form) => html`${
    present === undefined
      ? textField(form, { name: 'reason', label: 'Reason', isRequired: true, maxLength: 500, isProse: true })
      : html`<p class="notice">Since ${timeAgo(visit, present.since)}: ${present.reason}</p>`
  }
${
  mark === 'yanked'
    ? textField(form, {
        name: 'override',
        label: 'Reason for overriding freezes of views, if there are any',
        maxLength: 500,
        isProse: true,
      })
    : null
}
<div class="actions"><button${mark === 'yanked' && present === undefined ? html` class="danger"` : null}>${present === undefined ? title : undo}</button></div>`,
)}`
}

function commandsOf(
  visit: Visit,
  { ident, target }: Release,
  { title, undo, example, resource }: Words,
): string[] {
  const name = formatIdent(ident)
  const option = target === DEFAULT_TARGET ? '' : ` --target ${target}`
  const path = `/releases/${name}/${resource}?target=${target}`
  return [
    `hart-depot ${title.toLowerCase()} ${shellWord(name)}${option} --reason ${shellQuote(example)}`,
    curlCommand(visit, { method: 'PUT', path, body: { reason: example } }),
    `hart-depot ${undo.toLowerCase()} ${shellWord(name)}${option}`,
    curlCommand(visit, { method: 'DELETE', path }),
  ]
}
