import type { Plan, Promotion } from '../../client/operations.ts'
import { parseIdent } from '../../package/ident.ts'
import { compareReleases } from '../../package/version.ts'
import { printable } from '../../text/columns.ts'
import type { Output } from '../output.ts'

type Change = Pick<Plan, 'releases' | 'pointers' | 'notes'>

/**
 * Formats a plan: a table of its effect, then the gates that block it, the missing dependencies and the
 * notes.
 */
export function planText(out: Output, plan: Plan): string {
  return [
    changeTable(out, plan),
    ...plan.blocked.map(
      ({ rule, detail }) => `${out.style('red', 'blocked')} by ${rule}: ${printable(detail)}`,
    ),
    ...plan.missing.map(({ chain, target }) => `missing in the depot: ${chain.join(' → ')} (${target})`),
    ...plan.notes,
  ].join('\n')
}

export function promotionText(out: Output, { view, revision, changed, ...change }: Promotion): string {
  if (!changed) return `${view} is unchanged, at revision ${revision}.`
  return [changeTable(out, change), ...change.notes, `${view} is at revision ${revision}.`].join('\n')
}

const STYLES = { added: 'green', moved: 'green', downgraded: 'yellow', removed: 'red' } as const

function changeTable(out: Output, { releases, pointers }: Change): string {
  const rows = releases.map(({ ident, target, change, from }) => [change, ident, from ?? '', target])
  const table = out.table(
    ['CHANGE', 'RELEASE', 'LATEST BEFORE', 'TARGET'],
    [...rows, ...rowsOfFallbacks({ releases, pointers })],
  )
  // Styled after the layout, so that escape codes do not change the widths of columns.
  return table.replaceAll(/^(added|moved|downgraded|removed)\b/gm, (word) =>
    out.style(STYLES[word as keyof typeof STYLES], word),
  )
}

/**
 * Returns rows for packages whose latest release left the view, so that `latest` moves to a release that was
 * a member already. No other row shows these moves.
 */
function rowsOfFallbacks({ releases, pointers }: Pick<Change, 'releases' | 'pointers'>): string[][] {
  const shown = new Set(
    releases
      .filter(({ change }) => ['added', 'moved', 'downgraded'].includes(change))
      .map(({ ident, target }) => `${ident} ${target}`),
  )
  return pointers.flatMap(({ from, to, target }) => {
    if (to === null || shown.has(`${to} ${target}`)) return []
    const isDown = from !== null && compareReleases(parseIdent(to), parseIdent(from)) < 0
    return [[isDown ? 'downgraded' : 'moved', to, from ?? '', target]]
  })
}
