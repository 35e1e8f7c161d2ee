import type { LedgerEvent } from '../ledger/entry.ts'
import { describeRelease, releaseKey } from '../package/ident.ts'
import type { ReleaseName } from '../package/ident.ts'

/** Rebuilds from ledger entries which releases are announced and have no bytes yet. */
export class RebuiltAnnouncements {
  readonly #releases = new Map<string, ReleaseName>()

  /** Applies the next event of the ledger. */
  take(event: LedgerEvent): void {
    if (event.kind === 'release-announced')
      this.#releases.set(releaseKey(event), { ident: event.ident, target: event.target })
    if (event.kind === 'release-published' || event.kind === 'release-deleted')
      this.#releases.delete(releaseKey(event))
  }

  /** Returns the description of each release, as `describeAnnounced` makes it. */
  values(): string[] {
    return Array.from(this.#releases.values(), describeAnnounced)
  }
}

/** Describes an announced release, so that rebuilt releases can be compared with those in the database. */
export function describeAnnounced(release: ReleaseName): string {
  return `${describeRelease(release)} as announced`
}
