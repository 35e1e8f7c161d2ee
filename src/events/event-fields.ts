import type { LedgerEvent } from '../ledger/entry.ts'

/**
 * Returns the fields of an event for JSON: names in snake_case, and times (`until`, and names that end in
 * `At`) in RFC 3339.
 */
export function fieldsOf({ kind: _kind, ...fields }: LedgerEvent): Record<string, unknown> {
  return renamed(fields)
}

function renamed(fields: object): Record<string, unknown> {
  const content: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields) as [string, unknown][]) {
    content[snakeCaseOf(name)] =
      isTime(name) && typeof value === 'number' ? new Date(value).toISOString() : valueOf(value)
  }
  return content
}

function isTime(name: string): boolean {
  return name === 'until' || name.endsWith('At')
}

function valueOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(valueOf)
  return typeof value === 'object' && value !== null ? renamed(value) : value
}

/** Caches converted names. They are few, but one promotion may use them thousands of times. */
const snakeCaseNames = new Map<string, string>()

function snakeCaseOf(name: string): string {
  const converted =
    snakeCaseNames.get(name) ?? name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  snakeCaseNames.set(name, converted)
  return converted
}
