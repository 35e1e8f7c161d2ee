import type { z } from 'zod'
import { formatColumns } from '../../../text/columns.ts'
import { identParts, page, seconds } from '../conventions/text.ts'
import type * as shapes from './shapes.ts'

export function contentText(content: z.infer<typeof shapes.Content>): string {
  const rows = content.pointers.map(({ ident, target, since_revision, since }) => [
    ...identParts(ident),
    target,
    String(since_revision),
    seconds(since),
  ])
  return `${atRevision(content)}\n${page(['PACKAGE', 'VERSION', 'RELEASE', 'TARGET', 'SINCE', 'AT'], rows, content.next)}`
}

export function membersText(content: z.infer<typeof shapes.Members>): string {
  const rows = content.members.map(({ ident, target, since_revision, since }) => [
    ...identParts(ident),
    target,
    String(since_revision),
    seconds(since),
  ])
  return `${atRevision(content)}\n${page(['PACKAGE', 'VERSION', 'RELEASE', 'TARGET', 'SINCE', 'AT'], rows, content.next)}`
}

export function latestText({ ident, target, revision }: z.infer<typeof shapes.Latest>): string {
  return formatColumns(
    ['IDENT', 'TARGET', 'REVISION'],
    [[ident, target, revision === null ? '' : String(revision)]],
  )
}

function atRevision({ view, revision, at }: { view: string; revision: number; at: string | null }): string {
  return at === null
    ? `${view} at revision ${revision}\n`
    : `${view} at revision ${revision}, made ${seconds(at)}\n`
}
