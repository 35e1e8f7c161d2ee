import type { z } from 'zod'
import { identParts, marksText, page, timeText } from '../conventions/text.ts'
import type * as shapes from './shapes.ts'

export function packagesText({ packages, next }: z.infer<typeof shapes.FoundPackages>): string {
  return page(
    ['PACKAGE', 'TARGETS', 'VIEWS', 'MARKS'],
    packages.map(({ package: name, targets, views, yanked_releases, deprecated_releases }) => [
      name,
      targets.join(','),
      views.join(','),
      countsText({ yanked: yanked_releases, deprecated: deprecated_releases }),
    ]),
    next,
  )
}

export function releasesText({ releases, next }: z.infer<typeof shapes.Releases>): string {
  return page(
    ['PACKAGE', 'VERSION', 'RELEASE', 'TARGET', 'VISIBILITY', 'PUBLISHED', 'VIEWS', 'MARKS'],
    releases.map(({ ident, target, visibility, published_at, views, announced, ...marks }) => [
      ...identParts(ident),
      target,
      visibility,
      timeText(published_at),
      views.join(','),
      [announced ? 'announced' : '', marksText(marks)].filter((text) => text !== '').join(', '),
    ]),
    next,
  )
}

/** Formats how many releases have marks: `2 yanked, 1 deprecated`. */
function countsText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([mark, count]) => `${count} ${mark}`)
    .join(', ')
}
