import type { z } from 'zod'
import { formatColumns } from '../../../text/columns.ts'
import { identParts, marksText, page, stateText, timeText } from '../conventions/text.ts'
import type * as shapes from './shapes.ts'

export function contentText(content: z.infer<typeof shapes.Content>): string {
  return releasesText(content, content.pointers)
}

export function membersText(content: z.infer<typeof shapes.Members>): string {
  return releasesText(content, content.members)
}

function releasesText(
  state: Omit<z.infer<typeof shapes.Members>, 'members'>,
  releases: z.infer<typeof shapes.Members>['members'],
): string {
  const rows = releases.map(({ ident, target, since_revision, since, ...marks }) => [
    ...identParts(ident),
    target,
    String(since_revision),
    timeText(since),
    marksText(marks),
  ])
  const heading = ['PACKAGE', 'VERSION', 'RELEASE', 'TARGET', 'SINCE', 'AT', 'MARKS']
  return `${stateText(state)}\n\n${page(heading, rows, state.next)}`
}

export function latestText({ ident, target, revision }: z.infer<typeof shapes.Latest>): string {
  return formatColumns(
    ['IDENT', 'TARGET', 'REVISION'],
    [[ident, target, revision === null ? '' : String(revision)]],
  )
}
