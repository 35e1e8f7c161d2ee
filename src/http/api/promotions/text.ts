import type { z } from 'zod'
import { releaseKey } from '../../../package/ident.ts'
import { formatColumns } from '../../../text/columns.ts'
import { sections, versionText } from '../conventions/text.ts'
import type * as shapes from './shapes.ts'

export function promotionText(promotion: z.infer<typeof shapes.PromotionAnswer>): string {
  const { view, revision, changed, rule } = promotion
  const head = changed
    ? `${view} is at revision ${revision}${rule === null ? '' : `, under the rule ${rule}`}`
    : `${view} is unchanged, at revision ${revision}`
  return sections(
    head,
    stepsText(promotion),
    promotion.overridden.map((detail) => `overridden: ${detail}`),
    promotion.notes,
  )
}

/** Formats the effect of a change. */
export function stepsText({
  releases,
  pointers,
}: Pick<z.infer<typeof shapes.PromotionAnswer>, 'releases' | 'pointers'>): string[] {
  // Pointers that move only because a release left are not steps of a release.
  const stepped = new Set(
    releases.filter(({ change }) => ['added', 'moved', 'downgraded'].includes(change)).map(releaseKey),
  )
  const rows = [
    ...releases.map(({ ident, target, change, from, dependency }) => [
      change,
      ident,
      target,
      versionText(from),
      dependency ? 'dependency' : '',
    ]),
    ...pointers
      .filter(({ to, target }) => !stepped.has(`${to} ${target}`))
      .map((move) => [
        'latest',
        move.to ?? `${move.package} has none`,
        move.target,
        versionText(move.from),
        '',
      ]),
  ]
  return rows.length === 0 ? [] : [formatColumns(['CHANGE', 'RELEASE', 'TARGET', 'FROM', 'WHY'], rows)]
}
