import type { Audience } from '../access/access.ts'
import type { Db } from '../database/database.ts'
import { parseIdent } from '../package/ident.ts'
import type { Ident } from '../package/ident.ts'
import type { Page, Slice } from '../releases/ident-count-store.ts'
import { visibleTo } from '../releases/visible-store.ts'
import type { Search } from '../search/package-search.ts'
import { matchesSearch } from '../search/words-store.ts'
import type { Promotion } from '../ledger/entry.ts'

/** An event in the sense of Habitat: a promotion or demotion of a single release that changed a view. */
export interface HabitatEvent {
  readonly act: Promotion['act']
  /** Epoch milliseconds. */
  readonly at: number
  readonly view: string
  readonly ident: Ident
}

export interface EventQuery extends Slice {
  /** The time range in epoch milliseconds; `to` is excluded. */
  readonly from: number
  readonly to: number
  readonly view: string | undefined
  readonly search: Search | undefined
}

/**
 * Lists events from the ledger, newest first. An audience sees an event if it can see a release with the
 * event's ident. `accountId` is the caller's account, which always sees the events that it caused
 * (habitat-today.md 6, Events).
 */
export async function listEvents(
  db: Db,
  query: EventQuery,
  audience: Audience,
  accountId: number | undefined,
): Promise<Page<HabitatEvent>> {
  const { view, search } = query
  const matching = db
    .selectFrom('ledger')
    .innerJoin('releases as subject', 'subject.id', 'ledger.release_id')
    .innerJoin('views', 'views.id', 'ledger.view_id')
    .where('ledger.release_id', 'is not', null)
    .where('ledger.at', '>=', query.from)
    .where('ledger.at', '<', query.to)
    .$if(view !== undefined, (rows) => rows.where('views.name', '=', view ?? ''))
    .$if(search !== undefined, (rows) =>
      rows.where((eb) =>
        search === undefined ? eb.lit(true) : matchesSearch(eb.ref('subject.package_id'), search),
      ),
    )
    .where((eb) => {
      const isReleaseVisible = eb.exists(
        eb
          .selectFrom('releases')
          .select('releases.id')
          .whereRef('releases.ident', '=', 'subject.ident')
          .where('releases.deleted_at', 'is', null)
          .where((inner) => visibleTo(inner, audience)),
      )
      return accountId === undefined
        ? isReleaseVisible
        : eb.or([eb('ledger.account_id', '=', accountId), isReleaseVisible])
    })
  const { total } = await matching
    .select((eb) => eb.fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow()
  const rows = await matching
    .select(['ledger.at', 'ledger.text', 'views.name as view', 'subject.ident'])
    .orderBy('ledger.at', 'desc')
    .orderBy('ledger.sequence', 'desc')
    .limit(query.limit)
    .offset(query.offset)
    .execute()
  const items = rows.map((row) => ({
    act: (JSON.parse(row.text) as Promotion).act,
    at: row.at,
    view: row.view,
    ident: parseIdent(row.ident),
  }))
  return { items, total }
}
