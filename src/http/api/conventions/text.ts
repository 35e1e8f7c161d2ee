import { formatColumns } from '../../../text/columns.ts'
import { packageOf, parseIdent } from '../../../package/ident.ts'

// Formats answers as text in aligned columns, for people with curl.

/** Formats a table and, if there are more pages, the URL of the next one. */
export function page(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  next: string | null,
): string {
  const text = formatColumns(heading, rows)
  return next === null ? text : `${text}\n\nmore: ${next}`
}

/** Splits an ident into `origin/name`, version and release. */
export function identParts(ident: string): [string, string, string] {
  const { version, release } = parseIdent(ident)
  return [packageOf(ident), version, release]
}

/** Returns `version/release`, or an empty string for null. */
export function versionText(ident: string | null): string {
  if (ident === null) return ''
  const { version, release } = parseIdent(ident)
  return `${version}/${release}`
}

/** Formats a time without its milliseconds: `2026-01-01T00:00:00Z`. */
export function timeText(time: string | null): string {
  return time === null ? '' : `${time.slice(0, 19)}Z`
}

/** Names the marks of a listed release: `yanked deprecated`. */
export function marksText({ yank, deprecation }: { yank: unknown; deprecation: unknown }): string {
  return [yank === null ? '' : 'yanked', deprecation === null ? '' : 'deprecated'].join(' ').trim()
}

/** Formats the state of a view: `acceptance at revision 12, made 2026-01-01T00:00:00Z`. */
export function stateText({
  view,
  revision,
  at,
}: {
  view: string
  revision: number
  at: string | null
}): string {
  return `${view} at revision ${revision}${at === null ? '' : `, made ${timeText(at)}`}`
}

/** Joins the parts that are not empty by blank lines. */
export function sections(...parts: readonly (string | readonly string[])[]): string {
  return parts
    .map((part) => (typeof part === 'string' ? part : part.join('\n')))
    .filter((part) => part !== '')
    .join('\n\n')
}
