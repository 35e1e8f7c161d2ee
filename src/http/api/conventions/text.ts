import type { z } from 'zod'
import { formatColumns } from '../../../text/columns.ts'
import type * as shapes from './shapes.ts'
import { releaseKey } from '../../../package/ident.ts'

// Formats the answers of `/api/v1` as aligned columns, for people with curl.

export function viewsText({ views, next }: z.infer<typeof shapes.Views>): string {
  return page(
    ['VIEW', 'REVISION', 'RULE', 'MADE BY', 'MADE AT', 'UNGOVERNED'],
    views.map((view) => [
      view.name,
      String(view.revision),
      view.rule,
      view.maker,
      seconds(view.created_at),
      view.ungoverned.join(', '),
    ]),
    next,
  )
}

export function viewText(view: z.infer<typeof shapes.ViewDetail>): string {
  return formatColumns(
    [
      'VIEW',
      'REVISION',
      'RULE',
      'PACKAGES',
      'REVISED AT',
      'MADE BY',
      'MADE AT',
      'UNGOVERNED',
      ...(view.closed_at === null ? [] : ['CLOSED AT']),
    ],
    [
      [
        view.name,
        String(view.revision),
        view.rule,
        String(view.packages),
        seconds(view.revised_at),
        view.maker,
        seconds(view.created_at),
        view.ungoverned.join(', '),
        ...(view.closed_at === null ? [] : [seconds(view.closed_at)]),
      ],
    ],
  )
}

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

export function historyText({ revisions, next }: z.infer<typeof shapes.History>): string {
  return page(HISTORY_HEADING, revisions.flatMap(historyRows), next)
}

export function revisionText(revision: z.infer<typeof shapes.RevisionShape>): string {
  return formatColumns(HISTORY_HEADING, historyRows(revision))
}

export function latestText({ ident, target, revision }: z.infer<typeof shapes.Latest>): string {
  return formatColumns(
    ['IDENT', 'TARGET', 'REVISION'],
    [[ident, target, revision === null ? '' : String(revision)]],
  )
}

export function originText({
  name,
  owner,
  default_visibility,
  created_at,
}: z.infer<typeof shapes.Origin>): string {
  return formatColumns(
    ['ORIGIN', 'OWNER', 'NEW PACKAGES', 'MADE AT'],
    [[name, owner, default_visibility, seconds(created_at)]],
  )
}

export function originMembersText({ members, next }: z.infer<typeof shapes.OriginMembers>): string {
  return page(
    ['ACCOUNT', 'ROLE'],
    members.map(({ account, role }) => [account, role]),
    next,
  )
}

export function whoAmIText({ account, administrator, token, roles }: z.infer<typeof shapes.WhoAmI>): string {
  const only = [token.actions, token.origins, token.views].map((names) =>
    names === null ? 'all' : names.join(','),
  )
  const rights = formatColumns(
    ['ACCOUNT', 'ADMINISTRATOR', 'EXPIRES', 'ACTIONS', 'ORIGINS', 'VIEWS'],
    [[account, administrator ? 'yes' : 'no', seconds(token.expires_at), ...only]],
  )
  const rows = Object.entries(roles)
  return rows.length === 0 ? rights : `${rights}\n\n${formatColumns(['ORIGIN', 'ROLE'], rows)}`
}

export function accountText({ account }: z.infer<typeof shapes.Account>): string {
  return formatColumns(['ACCOUNT'], [[account]])
}

/** Formats one field per line. Long texts and lists of dependencies are only in the JSON. */
export function releaseText(release: z.infer<typeof shapes.Release>): string {
  const { views, manifest: _, config: __, ...fields } = release
  const rows = Object.entries(fields).map(([name, value]) => [
    name.replaceAll('_', ' '),
    Array.isArray(value) ? value.join(' ') : String(value ?? ''),
  ])
  const places = views.map(({ view, since_revision, since }) => [
    view,
    String(since_revision),
    seconds(since),
  ])
  return `${formatColumns(['RELEASE', release.ident], rows.slice(1))}\n\n${formatColumns(['VIEW', 'SINCE', 'AT'], places)}`
}

const HISTORY_HEADING = ['REVISION', 'AT', 'ACT', 'BY', 'PACKAGE', 'FROM', 'TO', 'TARGET', 'REASON']

/** Makes a row for each move of `latest`, and for each release that joined or left without moving it. */
function historyRows(revision: z.infer<typeof shapes.RevisionShape>): string[][] {
  const { pointers } = revision
  const moved = new Set(pointers.flatMap(({ from, to, target }) => [`${from} ${target}`, `${to} ${target}`]))
  const quiet = [
    ...revision.joined.map((release) => ({ ...release, sign: '+' })),
    ...revision.left.map((release) => ({ ...release, sign: '-' })),
  ]
  const lines = [
    ...pointers.map((move) => [move.package, versionOf(move.from), versionOf(move.to), move.target]),
    ...quiet
      .filter((release) => !moved.has(releaseKey(release)))
      .map(({ ident, target, sign }) => [
        identParts(ident)[0] ?? '',
        '',
        `${sign} ${versionOf(ident)}`,
        target,
      ]),
  ]
  const { act, of, only, rule, override } = revision
  const within = only === null ? '' : ` for ${only.origin ?? '*'}/${only.name ?? '*'}`
  const what =
    rule !== null
      ? `${act} ${rule}`
      : of === null
        ? act
        : `${act === 'rollback' ? 'rollback to' : `${act} of`} ${of}${within}`
  const why = override === null ? (revision.reason ?? revision.cause ?? '') : `OVERRIDE: ${override.reason}`
  const head = [String(revision.revision), seconds(revision.at), what, revision.actor ?? '']
  return (lines.length === 0 ? [['', '', '', '']] : lines).map((line) => [...head, ...line, why])
}

function atRevision({ view, revision, at }: { view: string; revision: number; at: string | null }): string {
  return at === null
    ? `${view} at revision ${revision}\n`
    : `${view} at revision ${revision}, made ${seconds(at)}\n`
}

export function page(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  next: string | null,
): string {
  const text = formatColumns(heading, rows)
  return next === null ? text : `${text}\n\nmore: ${next}`
}

export function identParts(ident: string): [string, string, string] {
  const [origin = '', name = '', version = '', release = ''] = ident.split('/')
  return [`${origin}/${name}`, version, release]
}

export function versionOf(ident: string | null): string {
  return ident === null ? '' : ident.split('/').slice(2).join('/')
}

/** `2026-01-01T00:00:00Z`, without the milliseconds. */
export function seconds(time: string | null): string {
  return time === null ? '' : `${time.slice(0, 19)}Z`
}
