import { DepotError, quote } from '../errors.ts'
import type { PackageParts } from '../package/ident.ts'
import { TARGETS } from '../package/target.ts'
import { didYouMean } from '../text/nearest.ts'

// The search of `/api/v1`. A search consists of words, which may occur anywhere in `origin/name`, and of
// fields such as `version:1.2*`. A package must match all words and fields.

const FIELDS = ['origin', 'name', 'version', 'target', 'signed-by', 'in'] as const
type Field = (typeof FIELDS)[number]

/** The fields whose values may end with a star. */
const WITH_STAR: readonly Field[] = ['origin', 'name', 'version', 'signed-by']

/** The maximum number of words and fields of a search. */
export const MAX_QUERY_PARTS = 20

/** The value of a field: with `isBeginning`, the beginning of the text to find; otherwise the whole text. */
export interface FieldValue {
  readonly text: string
  readonly isBeginning: boolean
}

export interface PackageQuery {
  /** Parts of `origin/name`, in lower case. */
  readonly words: readonly string[]
  readonly fields: Readonly<Partial<Record<Field, FieldValue>>>
}

/** Parses a search. Throws `invalid_request` with a part that points to `/q`. */
export function parsePackageQuery(text: string): PackageQuery {
  const parts = text.split(/\s+/).filter((part) => part !== '')
  if (parts.length === 0) throw wrong('q must have a word or a field')
  if (parts.length > MAX_QUERY_PARTS) throw wrong(`q has more than ${MAX_QUERY_PARTS} words and fields`)
  const words: string[] = []
  const fields: Partial<Record<Field, FieldValue>> = {}
  for (const part of parts) {
    const [, name, value = ''] = /^([^:]*):(.*)$/.exec(part) ?? []
    if (name === undefined) words.push(part.toLowerCase())
    else {
      const field = parseField(name)
      if (fields[field] !== undefined) throw wrong(`${field}: is given twice`)
      fields[field] = parseValue(field, value)
    }
  }
  return { words, fields }
}

function parseField(name: string): Field {
  const field = FIELDS.find((each) => each === name)
  if (field !== undefined) return field
  const meant = didYouMean(name, FIELDS) || `; fields are ${FIELDS.map((each) => `${each}:`).join(', ')}`
  throw wrong(`a search has no field ${quote(`${name}:`)}${meant}`)
}

function parseValue(field: Field, value: string): FieldValue {
  const isBeginning = value.endsWith('*') && WITH_STAR.includes(field)
  const text = isBeginning ? value.slice(0, -1) : value
  if (value === '') throw wrong(`${field}: needs a value, without a space before it`)
  if (text.includes('*'))
    throw wrong(
      WITH_STAR.includes(field)
        ? `a star may stand only at the end of ${field}:`
        : `${field}: takes a whole name, without a star`,
    )
  if (field === 'target' && !TARGETS.some((target) => target === text))
    throw wrong(
      `${quote(text)} is not a target${didYouMean(text, TARGETS) || `; targets are ${TARGETS.join(', ')}`}`,
    )
  return { text: field === 'origin' || field === 'name' ? text.toLowerCase() : text, isBeginning }
}

function wrong(detail: string): DepotError {
  return new DepotError('invalid_request', detail, { parts: [{ detail, pointer: '/q' }] })
}

/** Reports whether a package matches the words of a search and the fields `origin` and `name`. */
export function matchesQuery(parts: PackageParts, { words, fields }: PackageQuery): boolean {
  const [origin, name] = [parts.origin.toLowerCase(), parts.name.toLowerCase()]
  const text = `${origin}/${name}`
  return (
    words.every((word) => text.includes(word)) &&
    matchesValue(origin, fields.origin) &&
    matchesValue(name, fields.name)
  )
}

function matchesValue(text: string, value: FieldValue | undefined): boolean {
  if (value === undefined) return true
  return value.isBeginning ? text.startsWith(value.text) : text === value.text
}
