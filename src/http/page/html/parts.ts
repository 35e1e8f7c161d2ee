import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { parseIdent } from '../../../package/ident.ts'
import { DEFAULT_TARGET } from '../../../package/target.ts'
import type { Target } from '../../../package/target.ts'
import type { Visit } from './visit.ts'

// Small pieces that all pages share.

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
/** Older times are shown as dates. */
const RELATIVE_MS = 30 * DAY_MS

/** A time, relative to now. The exact one is in the title, in UTC. */
export function timeAgo(visit: Visit, at: number | undefined): SafeHtml {
  if (at === undefined) return html`<span class="none">—</span>`
  const iso = new Date(at).toISOString()
  const exact = `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`
  return html`<time datetime="${iso}" title="${exact}">${formatAgo(at, visit.now)}</time>`
}

/** Formats how long ago a time was: `5 min ago`, or its date if it is longer than a month ago. */
export function formatAgo(at: number, now: number): string {
  const ms = now - at
  if (ms >= RELATIVE_MS || ms < -MINUTE_MS) return new Date(at).toISOString().slice(0, 10)
  return ms < MINUTE_MS ? 'just now' : `${formatDuration(ms)} ago`
}

/** Formats a duration with one unit: `5 min`, `3 h` or `2 d`. */
export function formatDuration(ms: number): string {
  if (ms < HOUR_MS) return `${Math.max(1, Math.floor(ms / MINUTE_MS))} min`
  return ms < DAY_MS ? `${Math.floor(ms / HOUR_MS)} h` : `${Math.floor(ms / DAY_MS)} d`
}

/** Formats a period exactly, in the largest units that fit: `2 days`, `90 minutes`. */
export function formatPeriod(ms: number): string {
  const units = [
    [DAY_MS, 'day'],
    [HOUR_MS, 'hour'],
    [MINUTE_MS, 'minute'],
  ] as const
  const [unitMs, unit] = units.find(([length]) => ms >= length && ms % length === 0) ?? [1_000, 'second']
  const count = Math.round(ms / unitMs)
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}

/** Writes a message of the depot as a sentence. Names at its beginning stay as they are. */
export function sentence(text: string): string {
  const startsWithName = /^\S*[/.]/.test(text)
  const first = startsWithName ? text : text.slice(0, 1).toUpperCase() + text.slice(1)
  return /[.!?]$/.test(first) ? first : `${first}.`
}

/** Joins words as a sentence does: `a, b and c`. */
export function listWords(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
}

/** The pages above this one. */
export function crumbs(links: readonly SafeHtml[]): SafeHtml {
  return html`<nav class="crumbs" aria-label="Above">${links.map((link) => html`${link} <span aria-hidden="true">/</span> `)}</nav>`
}

export function viewLink(visit: Visit, view: string): SafeHtml {
  return html`<a href="${visit.to(viewPath(view))}">${view}</a>`
}

export function viewPath(view: string): string {
  return `/views/${encodeURIComponent(view)}`
}

/** `name` is `origin/name`. */
export function packageLink(visit: Visit, name: string): SafeHtml {
  return html`<a class="package" href="${visit.to(packagePath(name))}">${name}</a>`
}

/** `name` is `origin/name`, or an ident. */
export function packagePath(name: string): string {
  return `/pkgs/${name.split('/').map(encodeURIComponent).join('/')}`
}

/** A release as `1.2.0`, and its timestamp dimmed. The title is the whole ident. */
export function releaseLink(visit: Visit, ident: string, target?: Target): SafeHtml {
  const { version, release } = parseIdent(ident)
  return html`<a class="release" href="${visit.to(releasePath(ident, target))}" title="${ident}"
    ><b>${version}</b><wbr /><small>/${release}</small></a
  >`
}

/** The path of a release. Without a target, the page chooses one, usually x86_64-linux. */
export function releasePath(ident: string, target: Target = DEFAULT_TARGET): string {
  return target === DEFAULT_TARGET ? packagePath(ident) : `${packagePath(ident)}?target=${target}`
}

/** A line of a shell or a text that a click copies. */
export function copyable(text: string): SafeHtml {
  return html`<div class="copy">
    <pre tabindex="0"><code>${text}</code></pre>
    <button type="button" data-copy hidden>Copy</button>
  </div>`
}

/** What a page shows in place of an empty list. */
export function emptyState(title: string, advice: SafeHtml): SafeHtml {
  return html`<div class="empty">
    <p><b>${title}</b></p>
    ${advice}
  </div>`
}

/** A mark of a state: a word, with a colour that repeats what the word says. */
export function badge(
  kind: 'plain' | 'good' | 'warn' | 'bad' | 'info',
  text: string,
  title?: string,
): SafeHtml {
  return title === undefined
    ? html`<span class="badge ${kind}">${text}</span>`
    : html`<span class="badge ${kind}" title="${title}">${text}</span>`
}

/** The hidden field that each form needs. */
export function formToken(visit: Visit): SafeHtml {
  return html`<input type="hidden" name="_csrf" value="${visit.formToken}" />`
}
