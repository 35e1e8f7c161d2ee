import type { z } from 'zod'
import { formatColumns } from '../../../text/columns.ts'
import { page, timeText, sections } from '../conventions/text.ts'
import { INTERVAL_HEADING, intervalCells } from '../history/text.ts'
import { promotionText } from '../promotions/text.ts'
import type * as shapes from './shapes.ts'

/** Formats one field per line. The manifest and the configuration are only in the JSON. */
export function releaseText(release: z.infer<typeof shapes.Release>): string {
  const { ident, views, manifest: _manifest, config: _config, yank, deprecation, hold, ...fields } = release
  const rows = Object.entries(fields).map(([name, value]) => [
    name.replaceAll('_', ' '),
    Array.isArray(value) ? value.join(' ') : String(value ?? ''),
  ])
  rows.push(...noticeRows({ yank, deprecation, hold }))
  const places = views.map(({ view, since_revision, since }) => [
    view,
    String(since_revision),
    timeText(since),
  ])
  return `${formatColumns(['RELEASE', ident], rows)}\n\n${formatColumns(['VIEW', 'SINCE', 'AT'], places)}`
}

/** Formats the release, the effect of its promotion, if any, and warnings. */
export function uploadText({ promotion, warnings, ...release }: z.infer<typeof shapes.Upload>): string {
  return sections(
    releaseText(release),
    promotion === null ? '' : promotionText(promotion),
    warnings.map((warning) => `warning: ${warning}`),
  )
}

export function dependentsText({ dependents, next }: z.infer<typeof shapes.Dependents>): string {
  return page(
    ['NEEDED BY', 'TARGET'],
    dependents.map(({ ident, target }) => [ident, target]),
    next,
  )
}

/**
 * Formats whether a release can be deleted, which views have it, which proposals would move it, and which
 * releases need it.
 */
export function whyText(why: z.infer<typeof shapes.Why>): string {
  const { ident, target, kept_by: keptBy, views, proposals, dependents } = why
  const keeping =
    keptBy.length === 0
      ? `${ident} (${target}) can be deleted.`
      : [`${ident} (${target}) cannot be deleted:`, ...keptBy.map(({ detail }) => `  ${detail}`)]
  const places = views.flatMap((place) => [
    `${place.view}${place.preview ? ' (a preview)' : ''}: ${place.latest ? 'latest' : 'a member'} since revision ${place.since_revision}, ${timeText(place.since)}`,
    ...place.needed_by.map((chain) => `  ${chain.join(' → ')}`),
    ...(place.needed_by_hidden ? ['  it is also needed by releases that you may not see'] : []),
  ])
  const asked = proposals.map(
    ({ plan, view, act, account }) =>
      `proposal ${plan}: ${act} in ${view}${account === null ? '' : `, by ${account}`}`,
  )
  const needed =
    dependents.length === 0
      ? []
      : [
          'needed by:',
          ...dependents.map((dependent) => `  ${dependent.ident}`),
          ...(why.more_dependents ? ['  and more'] : []),
        ]
  const kept =
    why.reasons.length === 0
      ? []
      : [
          'kept by:',
          ...why.reasons.map(({ chain }) => `  ${chain.join(' → ')}`),
          ...(why.more_reasons ? ['  and more'] : []),
        ]
  return sections(keeping, places, asked, needed, kept)
}

export function membershipsText({ views, next }: z.infer<typeof shapes.Memberships>): string {
  return page(
    ['VIEW', ...INTERVAL_HEADING],
    views.map((membership) => [membership.view, ...intervalCells(membership)]),
    next,
  )
}

/** Formats the marks of a release after they were changed, and the revisions that this made. */
export function markedText(marked: z.infer<typeof shapes.MarkedRelease>): string {
  const { ident, target, promotions } = marked
  return sections(
    formatColumns(['RELEASE', ident], [['target', target], ...noticeRows(marked)]),
    ...promotions.map(promotionText),
  )
}

/** Returns a row for each mark that a release has. */
function noticeRows(
  marks: Pick<z.infer<typeof shapes.Release>, 'yank' | 'deprecation' | 'hold'>,
): string[][] {
  return (['yank', 'deprecation', 'hold'] as const).flatMap((mark) => {
    const notice = marks[mark]
    if (notice === null) return []
    const by = notice.by === null ? '' : ` by ${notice.by}`
    return [[mark, `since ${timeText(notice.since)}${by}: ${notice.reason}`]]
  })
}
