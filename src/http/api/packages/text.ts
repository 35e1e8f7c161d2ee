import type { z } from 'zod'
import { identParts, page, timeText } from '../conventions/text.ts'
import type * as shapes from './shapes.ts'

export function packagesText({ packages, next }: z.infer<typeof shapes.FoundPackages>): string {
  return page(
    ['PACKAGE', 'TARGETS', 'VIEWS'],
    packages.map(({ package: name, targets, views }) => [name, targets.join(','), views.join(',')]),
    next,
  )
}

export function releasesText({ releases, next }: z.infer<typeof shapes.Releases>): string {
  return page(
    ['PACKAGE', 'VERSION', 'RELEASE', 'TARGET', 'VISIBILITY', 'PUBLISHED', 'VIEWS'],
    releases.map(({ ident, target, visibility, published_at, views }) => [
      ...identParts(ident),
      target,
      visibility,
      timeText(published_at),
      views.join(','),
    ]),
    next,
  )
}
