import type { z } from 'zod'
import { formatColumns } from '../../../text/columns.ts'
import { page, timeText, sections } from '../conventions/text.ts'
import { INTERVAL_HEADING, intervalCells } from '../history/text.ts'
import { promotionText } from '../promotions/text.ts'
import type * as shapes from './shapes.ts'

/** Formats one field per line. Long texts and lists of dependencies are only in the JSON. */
export function releaseText(release: z.infer<typeof shapes.Release>): string {
  const { ident, views, manifest: _manifest, config: _config, ...fields } = release
  const rows = Object.entries(fields).map(([name, value]) => [
    name.replaceAll('_', ' '),
    Array.isArray(value) ? value.join(' ') : String(value ?? ''),
  ])
  const places = views.map(({ view, since_revision, since }) => [
    view,
    String(since_revision),
    timeText(since),
  ])
  return `${formatColumns(['RELEASE', ident], rows)}\n\n${formatColumns(['VIEW', 'SINCE', 'AT'], places)}`
}

/** Formats the release and, if it was promoted, the effect of that. */
export function uploadText({ promotion, ...release }: z.infer<typeof shapes.Upload>): string {
  return sections(releaseText(release), promotion === null ? '' : promotionText(promotion))
}

export function membershipsText({ views, next }: z.infer<typeof shapes.Memberships>): string {
  return page(
    ['VIEW', ...INTERVAL_HEADING],
    views.map((membership) => [membership.view, ...intervalCells(membership)]),
    next,
  )
}
