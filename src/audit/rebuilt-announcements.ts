import type { LedgerEvent } from '../ledger/entry.ts'
import { describeRelease, releaseKey } from '../package/ident.ts'
import type { ReleaseName } from '../package/ident.ts'

/** The releases whose bytes have not arrived yet, as rebuilt from ledger entries. */
export class RebuiltAnnouncements {
  readonly #releases = new Map<string, ReleaseName>()

  /** Applies the next event. */
  take(event: LedgerEvent): void {
    if (event.kind === 'release-announced')
      this.#releases.set(releaseKey(event), { ident: event.ident, target: event.target })
    if (event.kind === 'release-published' || event.kind === 'release-deleted')
      this.#releases.delete(releaseKey(event))
  }

  /** Returns a sentence for each release. */
  values(): string[] {
    return Array.from(this.#releases.values(), describeAnnounced)
  }
}

export function describeAnnounced(release: ReleaseName): string {
  return `${describeRelease(release)} as announced`
}
