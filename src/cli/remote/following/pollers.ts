import type { DepotClient } from '../../../client/client.ts'
import { RequestRefused } from '../../../client/errors.ts'
import type { Pollers } from '../../../client/operations.ts'
import { printable } from '../../../text/columns.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { connect, remoteOptions } from '../connect.ts'

export const pollers: Define = (command, io) =>
  remoteOptions(command)
    .argument('[view]', 'only the pollers of this view')
    .addHelpText(
      'after',
      `${examples([
        ['pollers', 'show estimates of how many clients poll for each package, and the polls that failed'],
        ['pollers delivered --json', 'show those of one view as the API does'],
      ])}

Pollers are addresses, not hosts: of a group that updates in the rolling way only the leader polls, several hosts may share an address,
and a proxy may hide all of them. The depot counts them only with DEPOT_COUNT_POLLERS=on. hart-depot fleet shows exactly what runs.`,
    )
    .action(async (view, options) => {
      const { depot, out } = connect(io, options)
      const found = await depot.getPollers(view === undefined ? {} : { view })
      const { counting, lines, incomplete } = found
      const rows = rowsOfFailed(found)
      out.show(found, {
        whole: () =>
          [
            counting
              ? out.table(
                  ['VIEW', 'PACKAGE', 'TARGET', 'POLLERS', 'UP TO DATE'],
                  lines.map(({ view: name, package: of, target, pollers: count, up_to_date: upToDate }) => [
                    name,
                    of,
                    target,
                    `about ${count}`,
                    upToDate === null ? '' : `about ${upToDate}`,
                  ]),
                )
              : 'The depot does not count pollers: DEPOT_COUNT_POLLERS is off.',
            ...(incomplete ? ['There are too many packages to count all of them.'] : []),
            ...(rows.length === 0 ? [] : ['', out.table(['FAILED POLLS', 'COUNT', 'LAST'], rows)]),
          ].join('\n'),
        brief: () => lines.map((line) => `${line.view} ${line.package} ${line.target}`),
      })
    })

function rowsOfFailed({ absent_views, absent_packages, refused_addresses }: Pollers): string[][] {
  return [
    ...absent_views.map((absent) => rowOf(`the view ${absent.view} does not exist`, absent)),
    ...absent_packages.map((absent) => rowOf(`${absent.package} was not found in ${absent.view}`, absent)),
    ...refused_addresses.map((refused) => rowOf(`no valid token from ${refused.address}`, refused)),
  ]
}

function rowOf(what: string, { polls, last_at }: { polls: number; last_at: string }): string[] {
  return [what, String(polls), last_at]
}

/** Returns the pollers, or `null` if the caller may not see them. */
export async function pollersOf(depot: DepotClient): Promise<Pollers | null> {
  try {
    return await depot.getPollers()
  } catch (error) {
    if (error instanceof RequestRefused && (error.status === 403 || error.status === 404)) return null // 404 from an older depot
    throw error
  }
}

/** A sentence has at most this many names. */
const MAX_NAMED = 5

/** Formats failed polls, in a sentence for each kind. */
export function troublesOf({ absent_views, absent_packages, refused_addresses }: Pollers): string[] {
  return [
    ...sentence('for views that do not exist', absent_views.map(({ view }) => view).toSorted()),
    ...sentence(
      'for packages that were not found',
      absent_packages.map(({ view, package: name }) => `${name} in ${view}`),
    ),
    ...sentence(
      'without a valid token, from these addresses',
      refused_addresses.map(({ address }) => address),
    ),
  ]
}

function sentence(what: string, names: readonly string[]): string[] {
  if (names.length === 0) return []
  const more = names.length - MAX_NAMED
  const list = `${names.slice(0, MAX_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
  return [printable(`In the last day, clients polled ${what}: ${list}.`)]
}
