import type { z } from 'zod'
import { formatColumns } from '../../../text/columns.ts'
import { timeText } from '../conventions/text.ts'
import type * as shapes from './shapes.ts'

const MAX_SHOWN_VALUES = 3

export function eventsText({ events, through, next }: z.infer<typeof shapes.Events>): string {
  const rows = events.map((entry) => [
    String(entry.sequence),
    timeText(entry.at ?? null),
    entry.kind ?? '',
    entry.actor ?? '',
    eventText(entry.event ?? {}),
  ])
  return `${formatColumns(['SEQUENCE', 'AT', 'KIND', 'BY', 'WHAT'], rows)}\n\nread through ${through}${next === null ? '' : `\nmore: ${next}`}`
}

export function ledgerText({ sequence, hash, at }: z.infer<typeof shapes.LedgerHead>): string {
  return formatColumns(['SEQUENCE', 'AT', 'HASH'], [[String(sequence), timeText(at), hash]])
}

/** Formats the fields of an event as `name=value`, with only the first few items of each list. */
function eventText(event: Readonly<Record<string, unknown>>): string {
  return Object.entries(event)
    .filter(([, value]) => value !== null && !(Array.isArray(value) && value.length === 0))
    .map(([name, value]) => `${name}=${Array.isArray(value) ? firstOf(value) : brief(value)}`)
    .join(' ')
}

function firstOf(values: readonly unknown[]): string {
  const shown = values.slice(0, MAX_SHOWN_VALUES).map(brief)
  return [
    ...shown,
    ...(values.length > MAX_SHOWN_VALUES ? [`+${values.length - MAX_SHOWN_VALUES}`] : []),
  ].join(',')
}

function brief(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if ('ident' in value) return brief(value.ident)
  if ('package' in value && 'from' in value && 'to' in value)
    return `${brief(value.package)}:${brief(value.from ?? '')}→${brief(value.to ?? '')}`
  return JSON.stringify(value)
}
