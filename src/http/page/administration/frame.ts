import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { z } from 'zod'
import { cursorOf } from '../../api/conventions/pages.ts'
import type { ListKey } from '../../api/conventions/pages.ts'
import type { Content } from '../html/layout.ts'
import { closedForm, postForm } from '../html/forms.ts'
import { crumbs } from '../html/parts.ts'
import { withQuery } from '../html/query.ts'
import type { Visit } from '../html/visit.ts'

// What all pages of the administration share.

/** The parameters of every page that has a list. The API has the same ones. */
export const ListQuery = z.object({
  cursor: z.string().max(4_096).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
})

export type ListQuery = z.infer<typeof ListQuery>
/** The parameters of the first page of a list. */
export const FIRST_PAGE = ListQuery.parse({})

/** The field that every form has. */
export const Csrf = { _csrf: z.string() }

export interface Part {
  readonly path: string
  readonly label: string
  /** What the page is for, as a sentence. */
  readonly purpose: string
  /** Whether only administrators of the depot may see the page. Other pages are for everyone who signs in. */
  readonly isForAdministrators: boolean
}

export const PARTS: readonly Part[] = [
  {
    path: '/admin/origins',
    label: 'Origins',
    purpose: 'Who may publish and promote packages of an origin, and the keys that sign them.',
    isForAdministrators: false,
  },
  {
    path: '/admin/tokens',
    label: 'Tokens',
    purpose: 'What people and programs sign in with, what each token may do, and when it was last used.',
    isForAdministrators: false,
  },
  {
    path: '/admin/accounts',
    label: 'Accounts',
    purpose: 'Who can have tokens and roles.',
    isForAdministrators: true,
  },
  {
    path: '/admin/storage',
    label: 'Storage',
    purpose: 'How many bytes each origin uses, and its quota.',
    isForAdministrators: false,
  },
  {
    path: '/admin/retention',
    label: 'Retention',
    purpose: 'Which releases stay, which would go, and why.',
    isForAdministrators: false,
  },
  {
    path: '/admin/freezes',
    label: 'Freezes',
    purpose: 'What no view may change for now.',
    isForAdministrators: true,
  },
  {
    path: '/admin/webhooks',
    label: 'Webhooks',
    purpose: 'Who is told about changes, and whether the messages arrive.',
    isForAdministrators: true,
  },
  {
    path: '/admin/upstream',
    label: 'Upstream',
    purpose: 'The depot from which some origins come, and how recent its channels are here.',
    isForAdministrators: true,
  },
  {
    path: '/admin/trusted-keys',
    label: 'Trusted keys',
    purpose: 'The depots whose lockfiles this depot accepts.',
    isForAdministrators: false,
  },
  {
    path: '/admin/health',
    label: 'Health',
    purpose: 'What is wrong with the depot, if anything is.',
    isForAdministrators: true,
  },
  {
    path: '/admin/audit',
    label: 'Refusals',
    purpose: 'Changes that were refused for want of rights.',
    isForAdministrators: true,
  },
]

/** A page of the administration. `above` are links to the pages between it and the administration. */
export function adminContent(
  visit: Visit,
  { title, above = [], main }: { title: string; above?: readonly SafeHtml[]; main: SafeHtml },
): Content {
  return {
    title,
    section: 'admin',
    main: html`${crumbs([link(visit, '/admin', 'Administration'), ...above])}
      <h1>${title}</h1>
      ${main}`,
  }
}

export function link(visit: Visit, path: string, label: string): SafeHtml {
  return html`<a href="${visit.to(path)}">${label}</a>`
}

type Cell = SafeHtml | string | number

/** A table whose first column names the rows. Narrow windows show each row as a block. */
export function table(
  label: string,
  heading: readonly string[],
  rows: readonly (readonly Cell[])[],
): SafeHtml {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${label}"><table class="full">
<thead><tr>${heading.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${rows.map(
    ([first = '', ...others]) =>
      html`<tr><th scope="row">${first}</th>${others.map((cell, index) => html`<td data-label="${heading[index + 1]}">${cell}</td>`)}</tr>
`,
  )}</tbody></table></div>`
}

export function facts(rows: readonly (readonly [name: string, value: Cell])[]): SafeHtml {
  return html`<dl class="facts">${rows.map(
    ([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>
`,
  )}</dl>`
}

/**
 * Cuts a list to a page. `items` has one item more than the page if there is a next page. `next` is the URL
 * of the next page: `path` with the same filters.
 */
export function cutList<Item>(
  visit: Visit,
  query: ListQuery,
  list: {
    readonly items: readonly Item[]
    readonly listKey: ListKey
    readonly placeOf: (item: Item) => unknown
    readonly path: string
    readonly filters?: Readonly<Record<string, string | undefined>>
  },
): { items: readonly Item[]; next: string | null } {
  const { limit } = query
  const items = list.items.slice(0, limit)
  const last = items.at(-1)
  if (list.items.length <= limit || last === undefined) return { items, next: null }
  const parameters = {
    ...list.filters,
    ...(limit !== FIRST_PAGE.limit && { limit: String(limit) }),
    cursor: cursorOf(list.listKey, list.placeOf(last)),
  }
  return { items, next: visit.to(withQuery(list.path, parameters)) }
}

/** A link to the next page of a list. `next` is its URL. */
export function pager(next: string | null): SafeHtml | null {
  return next === null
    ? null
    : html`<nav class="pager" aria-label="Pages"><a rel="next" href="${next}">Next page</a></nav>`
}

/** A button that makes a change by itself. */
export function actButton(
  visit: Visit,
  { path, fields, label }: { path: string; fields: Readonly<Record<string, string>>; label: string },
): SafeHtml {
  return postForm(visit, { path, fields }, () => html`<button>${label}</button>`)
}

/** A change that opens first, says what it does, and then has its button. */
export function confirmedAct(
  visit: Visit,
  act: {
    path: string
    fields: Readonly<Record<string, string>>
    isOnce?: boolean
    label: string
    /** The effect, as a sentence. */
    effect: string
  },
): SafeHtml {
  const { path, fields, isOnce = false, label, effect } = act
  return closedForm(
    visit,
    { path, fields, isOnce, label: `${label}…`, isDanger: true },
    () => html`<p>${effect}</p><button class="danger">${label}</button>`,
  )
}
