import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { readVersion } from '../../../package-root.ts'
import type { AssetPaths } from '../assets/assets.ts'
import { refusalNotice } from './forms.ts'
import { formToken } from './parts.ts'
import type { Visit } from './visit.ts'

/** The entries of the navigation. */
const SECTIONS = [
  { name: 'pipeline', path: '/', label: 'Pipeline' },
  { name: 'activity', path: '/activity', label: 'Activity' },
  { name: 'changes', path: '/changes', label: 'Changes' },
] as const

export type Section = (typeof SECTIONS)[number]['name'] | 'search' | 'admin' | 'none'

/** The content of a page. */
export interface Content {
  /** The title of the window, without the name of the depot. */
  readonly title: string
  readonly section: Section
  readonly main: SafeHtml
  /**
   * What changes this page: commits of one view, or all of them. The browser then reads the page again after
   * such a commit, and changes what differs. Absent for pages that do not follow the depot.
   */
  readonly follows?: { readonly view: string } | 'everything'
  /** How often the browser reads the page again, besides. */
  readonly refreshSeconds?: number | undefined
}

const version = readVersion()

/** A square with three steps, one of them filled, in the colour of links. */
const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='3' fill='%231d5fa8'/%3E%3Cpath d='M3 11h3v2H3zM6.5 7h3v6h-3zM10 3h3v10h-3z' fill='%23fff'/%3E%3C/svg%3E"

/** Writes a whole page. */
export function layout(
  visit: Visit,
  assets: AssetPaths,
  { title, section, main, follows, refreshSeconds }: Content,
): string {
  const { refused } = visit
  // A page with a refused form stays as it is, because somebody goes on writing.
  const live = follows === undefined || refused !== undefined ? undefined : livePath(follows)
  return String(
    html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta name="color-scheme" content="light dark" />
<title>${title} · hart-depot</title>
<link rel="icon" href="${html.raw`${ICON}`}" />
<link rel="stylesheet" href="${visit.to(assets.style)}" />
<script defer src="${visit.to(assets.script)}"></script>
</head>
<body${live === undefined ? null : html` data-live="${visit.to(live)}" data-sequence="${visit.sequence}"`}${live === undefined || refreshSeconds === undefined ? null : html` data-refresh="${refreshSeconds}"`}>
<a class="skip" href="#main">Skip to the content</a>
<header class="top">
<a class="brand" href="${visit.to('/')}">hart-depot</a>
<nav aria-label="Main">${SECTIONS.map(
      ({ name, path, label }) =>
        html`<a href="${visit.to(path)}" ${name === section ? html` aria-current="page"` : null}
          >${label}</a
        >`,
    )}${visit.caller === undefined ? null : html`<a href="${visit.to('/admin')}"${section === 'admin' ? html` aria-current="page"` : null}>Administration</a>`}</nav>
<form class="find" role="search" action="${visit.to('/search')}">
<input type="search" name="q" placeholder="Search  /" aria-label="Search packages, releases, views and people" data-find maxlength="200" />
</form>
${accountMenu(visit)}
</header>
<main id="main" tabindex="-1">
${refused === undefined || refused.isShown ? null : refusalNotice(refused)}${main}
</main>
<footer class="bottom">
<p>hart-depot ${version} · <a href="${visit.to('/docs/api')}">API</a>${
      live === undefined ? null : html` · <span data-live-state role="status">static</span>`
    }</p>
</footer>
<p class="toast" data-toast role="status" aria-live="polite"></p>
</body>
</html>
`,
  )
}

function livePath(follows: NonNullable<Content['follows']>): string {
  return follows === 'everything' ? '/live' : `/live?view=${encodeURIComponent(follows.view)}`
}

function accountMenu(visit: Visit): SafeHtml {
  const { caller } = visit
  if (caller === undefined) {
    const target = visit.path === '/' ? '/sign-in' : `/sign-in?to=${encodeURIComponent(visit.path)}`
    return html`<div class="who"><a href="${visit.to(target)}">Sign in</a></div>`
  }
  return html`<form class="who" method="post" action="${visit.to('/sign-out')}">
    <a href="${visit.to('/account')}">${caller.accountName}</a>${formToken(visit)}<button class="quiet">
      Sign out
    </button>
  </form>`
}
