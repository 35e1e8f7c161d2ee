import type { LedgerEvent } from './entry.ts'

/** What an event says, in the words that clients are told it in: snake_case, and RFC 3339 for times, whose names end in `At`. */
export function fieldsOf({ kind: _kind, ...fields }: LedgerEvent): Record<string, unknown> {
  return renamed(fields)
}

function renamed(fields: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]: [string, unknown]) => [
      name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      name.endsWith('At') && typeof value === 'number' ? new Date(value).toISOString() : valueOf(value),
    ]),
  )
}

function valueOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(valueOf)
  return typeof value === 'object' && value !== null ? renamed(value) : value
}
