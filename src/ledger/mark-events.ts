import type { Mark } from '../package/mark.ts'
import type { LedgerEvent } from './entry.ts'

/** The events that set or remove marks of releases. */
export const MARK_EVENTS = {
  'release-yanked': 'yanked',
  'release-unyanked': 'yanked',
  'release-deprecated': 'deprecated',
  'release-undeprecated': 'deprecated',
  'release-held': 'held',
  'release-unheld': 'held',
} as const satisfies Partial<Record<LedgerEvent['kind'], Mark>>

/** An event that sets a mark, if it has a reason, or removes it. */
export type MarkEvent = Extract<LedgerEvent, { kind: keyof typeof MARK_EVENTS }>

export function isMarkEvent(event: LedgerEvent): event is MarkEvent {
  return Object.hasOwn(MARK_EVENTS, event.kind)
}
