import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { DepotError } from '../errors.ts'
import type { Gates, View } from './view.ts'

// Settings are replaced as a whole, so two people could undo each other's changes without noticing. A caller
// that replaces settings may therefore send the digest of the settings that it has read.

/** The settings of a view that are replaced as a whole. */
type Settings = Gates | View['ungoverned']

/** Returns a digest of settings, 32 hexadecimal digits. */
export function digestOfSettings(settings: Settings): string {
  return createHash('sha256').update(JSON.stringify(settings)).digest('hex').slice(0, 32)
}

/**
 * Throws `stale_settings` if `read` is not the digest of the present settings, unless these are already as
 * wanted. Never throws without `read`.
 */
export function expectAsRead<Kind extends Settings>(
  present: Kind,
  { read, wanted, what }: { read: string | undefined; wanted: Kind; what: string },
): void {
  if (read === undefined || read === digestOfSettings(present) || isDeepStrictEqual(wanted, present)) return
  throw new DepotError('stale_settings', `${what} have changed since you read them, and were not replaced`)
}
