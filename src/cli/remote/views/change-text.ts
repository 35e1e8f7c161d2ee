import type { Plan, Promotion } from '../../../client/operations.ts'
import { parseIdent } from '../../../package/ident.ts'
import { compareReleases } from '../../../package/version.ts'
import { printable } from '../../../text/columns.ts'
import type { Output } from '../../output.ts'

type Change = Pick<Plan, 'releases' | 'pointers'>
type Step = Plan['releases'][number]

/**
 * Formats a plan: a table of its effect, then the gates that block it, the missing dependencies and the
 * notes.
 */
export function planText(out: Output, plan: Plan): string {
  return [
    ...changeTable(out, plan),
    ...plan.blocked.map(
      ({ rule, detail }) => `${out.style('red', 'blocked')} by ${rule}: ${printable(detail)}`,
    ),
    ...plan.missing.map(({ chain, target }) => `missing in the depot: ${chain.join(' → ')} (${target})`),
    ...plan.notes,
  ].join('\n')
}

/** Formats what a change has done: a table of its effect, then the overridden rules and the notes. */
export function promotionText(
  out: Output,
  { view, revision, changed, overridden, ...change }: Promotion,
): string {
  if (!changed) return `${view} is unchanged, at revision ${revision}.`
  return [
    ...changeTable(out, change),
    ...overridden.map((detail) => `overridden: ${printable(detail)}`),
    ...change.notes,
    `${view} is at revision ${revision}.`,
  ].join('\n')
}

const STYLES = { added: 'green', moved: 'green', downgraded: 'yellow', removed: 'red' } as const

/** Formats the effect of a change. Returns nothing if it changes only the rule of the view. */
function changeTable(out: Output, { releases, pointers }: Change): string[] {
  const moves = new Map(pointers.map((move) => [`${move.package} ${move.target}`, move]))
  const rows = releases.map(({ ident, target, change }) => {
    const { origin, name } = parseIdent(ident)
    const move = moves.get(`${origin}/${name} ${target}`)
    return [wordFor(change, move?.from === ident), ident, latestText(move), target]
  })
  rows.push(...rowsOfOtherMoves({ releases, pointers }))
  if (rows.length === 0) return []
  const table = out.table(['CHANGE', 'RELEASE', 'LATEST', 'TARGET'], rows)
  // Styled after the layout, so that escape codes do not change the widths of columns.
  const styled = table.replaceAll(/^(added|moved|downgraded|removed)\b/gm, (word) =>
    out.style(STYLES[word as keyof typeof STYLES], word),
  )
  return [styled]
}

/** A yanked member joins again, to be skipped by `latest`. */
function wordFor(change: Step['change'], wasLatest: boolean): string {
  return change === 'joined' && wasLatest ? 'skipped' : change
}

/** Formats the move of `latest` of a package as versions. */
function latestText(move: Plan['pointers'][number] | undefined): string {
  return move === undefined ? 'unchanged' : `${versionOf(move.from)} → ${versionOf(move.to)}`
}

function versionOf(ident: string | null): string {
  return ident === null ? 'none' : ident.split('/').slice(2).join('/')
}

/**
 * Returns rows for moves of `latest` that no row of a release shows: to a release that was a member already,
 * or away from one that stays a member.
 */
function rowsOfOtherMoves({ releases, pointers }: Pick<Change, 'releases' | 'pointers'>): string[][] {
  const changed = new Set(releases.map(({ ident, target }) => `${ident} ${target}`))
  const movedTo = new Set(
    releases
      .filter(({ change }) => ['added', 'moved', 'downgraded'].includes(change))
      .map(({ ident, target }) => `${ident} ${target}`),
  )
  return pointers.flatMap((move) => {
    const { from, to, target } = move
    if (to === null)
      return from === null || changed.has(`${from} ${target}`)
        ? []
        : [['skipped', from, latestText(move), target]]
    if (movedTo.has(`${to} ${target}`)) return []
    const isDown = from !== null && compareReleases(parseIdent(to), parseIdent(from)) < 0
    return [[isDown ? 'downgraded' : 'moved', to, latestText(move), target]]
  })
}
