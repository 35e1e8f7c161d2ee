import { GROUP_PREFIX } from '../../access/account-name.ts'
import { listKnownAccounts } from '../../accounts/account-store.ts'
import type { Db } from '../../database/database.ts'
import { quote } from '../../errors.ts'
import type { ErrorPart } from '../../errors.ts'
import { isGroupName } from '../../signin/person.ts'
import { didYouMean } from '../../text/nearest.ts'
import type { Gates, View } from '../../views/view.ts'

/** What the gates of a view depend on: which views are open, and which views they require. */
export interface OpenViews {
  readonly names: ReadonlySet<string>
  /** Returns the views that require a view directly or indirectly, and the view itself. */
  listRequiring(view: string): ReadonlySet<string>
}

export function openViews(views: Iterable<Pick<View, 'name' | 'gates'>>): OpenViews {
  const names = new Set<string>()
  const requiring = new Map<string, string[]>()
  for (const { name, gates } of views) {
    names.add(name)
    for (const { view } of gates.requires ?? []) requiring.set(view, [...(requiring.get(view) ?? []), name])
  }
  return {
    names,
    listRequiring(view) {
      const found = new Set([view])
      // A loop over a set also visits what is added meanwhile.
      for (const one of found) for (const other of requiring.get(one) ?? []) found.add(other)
      return found
    },
  }
}

/** Reports whether a name is that of a group, which only the single sign-on knows. */
function isGroup(name: string): boolean {
  return name.startsWith(GROUP_PREFIX) && isGroupName(name.slice(GROUP_PREFIX.length))
}

/**
 * Returns the reasons why a view cannot have these gates: absent accounts and views, and cycles of
 * requirements.
 */
export async function listGateFaults(
  db: Db,
  view: string,
  gates: Gates,
  open: OpenViews,
): Promise<ErrorPart[]> {
  const faults: ErrorPart[] = []
  const lists = [
    ['/promoters', gates.promoters ?? []],
    ['/approval/approvers', gates.approval?.approvers ?? []],
    ['/overriders', gates.overriders ?? []],
  ] as const
  const known = await listKnownAccounts(
    db,
    lists.flatMap(([, accounts]) => accounts),
  )
  for (const [field, accounts] of lists)
    for (const [index, name] of accounts.entries())
      if (!known.has(name) && !isGroup(name))
        faults.push({ detail: `there is no account ${quote(name)}`, pointer: `${field}/${index}` })
  const requiring = open.listRequiring(view)
  for (const [index, { view: other }] of (gates.requires ?? []).entries()) {
    const pointer = `/requires/${index}/view`
    if (!open.names.has(other))
      faults.push({ detail: `there is no view ${quote(other)}${didYouMean(other, open.names)}`, pointer })
    else if (requiring.has(other))
      faults.push({ detail: `${other} requires ${view}: nothing could be promoted any more`, pointer })
  }
  return faults
}
