import type { CompareViewsInput, Revision } from '../../../client/operations.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { EXIT, Exit, UsageError } from '../../exit-codes.ts'
import { packageFilterOf, splitMoment, timeOf } from '../arguments.ts'
import { connect, remoteOptions } from '../connect.ts'

const DEFAULT_LIMIT = 30

export const history: Define = (command, io) =>
  remoteOptions(command)
    .argument('<view>', 'the view')
    .option(
      '--since <period-or-time>',
      'only revisions since then, for example 2h, 7d or 2026-01-02T08:00:00Z',
    )
    .option('-L, --limit <count>', `the most revisions to show; ${DEFAULT_LIMIT} without --since`)
    .addHelpText(
      'after',
      examples([
        ['history delivered', 'list the last revisions, newest first'],
        ['history delivered --since 2h', 'list what changed in the last two hours'],
      ]),
    )
    .action(async (view, { since, limit, ...options }) => {
      const most = limit === undefined ? (since === undefined ? DEFAULT_LIMIT : Infinity) : countOf(limit)
      const from =
        since === undefined ? -Infinity : Date.parse(timeOf(since, '--since', { now: io.now(), sign: -1 }))
      const { depot, out } = connect(io, options)
      const list: Revision[] = []
      for await (const revision of depot.each('listRevisions', { view })) {
        if (list.length >= most || Date.parse(revision.at) < from) break
        list.push(revision)
      }
      out.show(list, {
        whole: () => revisionTable(out, list),
        brief: () => list.map(({ revision }) => String(revision)),
      })
    })

/** Formats revisions as a table. */
export function revisionTable(
  out: { table(heading: readonly string[], rows: readonly (readonly string[])[]): string },
  list: readonly Revision[],
): string {
  return out.table(
    ['REVISION', 'AT', 'ACT', 'BY', 'LATEST', 'REASON'],
    list.map(({ revision, at, act, actor, client, pointers, reason, override }) => [
      String(revision),
      at,
      act,
      actor ?? client,
      movesOf(pointers),
      [override === null ? '' : `OVERRIDE: ${override.reason}`, reason ?? '']
        .filter((text) => text !== '')
        .join('; '),
    ]),
  )
}

/** Describes moves of `latest`: the first one, and how many more there are. */
function movesOf([first, ...others]: Revision['pointers']): string {
  if (first === undefined) return ''
  const move = first.to ?? `no ${first.package}`
  return others.length === 0 ? move : `${move} and ${others.length} more`
}

export const diff: Define = (command, io) =>
  remoteOptions(command)
    .argument('<a>', 'VIEW, VIEW@REVISION or VIEW@TIME')
    .argument('<b>', 'what it is compared with, in the same form')
    .option('--origin <origin>', 'only packages of this origin')
    .option('--name <name>', 'only packages of this name')
    .option('--exit-code', 'exit with 8 if there are differences')
    .addHelpText(
      'after',
      examples([
        ['diff delivered rehearsal', 'show what promoting all of rehearsal into delivered would change'],
        ['diff delivered@41 delivered', 'show what has changed since a revision'],
        ['diff union acceptance --exit-code --quiet', 'exit with 8 if the views differ'],
      ]),
    )
    .action(async (a, b, { origin, name, exitCode, ...options }) => {
      const { depot, out } = connect(io, options)
      const [from, to] = [splitMoment(a), splitMoment(b)]
      const input: CompareViewsInput = {
        view: from.view,
        with: to.view,
        ...(from.at !== undefined && { at: from.at }),
        ...(to.at !== undefined && { with_at: to.at }),
        ...packageFilterOf({ origin, name }),
      }
      const first = await depot.compareViews(input)
      // All pages compare the revisions of the first one.
      const pinned = { ...input, at: String(first.from.revision), with_at: String(first.to.revision) }
      const differences =
        first.next === null ? first.differences : await Array.fromAsync(depot.each('compareViews', pinned))
      out.show(
        { ...first, differences, next: null },
        {
          whole: () => {
            const sides = `${from.view} at revision ${first.from.revision} and ${to.view} at revision ${first.to.revision}`
            if (differences.length === 0) return `${sides} do not differ.`
            const rows = differences.map((each) => [
              each.change,
              each.package,
              versionOf(each.from),
              versionOf(each.to),
              each.target,
            ])
            return `From ${sides.replace(' and ', ' to ')}:\n${out.table(['CHANGE', 'PACKAGE', 'FROM', 'TO', 'TARGET'], rows)}`
          },
          brief: () => differences.map((each) => each.to ?? each.from ?? each.package),
        },
      )
      if (exitCode === true && differences.length > 0) throw new Exit(EXIT.differs)
    })

function versionOf(ident: string | null): string {
  return ident === null ? '' : ident.split('/').slice(2).join('/')
}

function countOf(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text))
    throw new UsageError(`--limit is a number from 1 to 999999, not ${JSON.stringify(text)}`)
  return Number(text)
}
