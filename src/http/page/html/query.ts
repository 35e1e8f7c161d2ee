import { z } from 'zod'
import { refusalOf } from '../../../errors.ts'
import { TARGETS } from '../../../package/target.ts'
import type { PointerPlace } from '../../../revisions/content-store.ts'
import { parsePeriod } from '../../../text/period.ts'
import { shapeFault } from '../../../text/shape-fault.ts'

// Parameters of pages. Browsers send the empty fields of a form, too.

/** The maximum length of a field with names, in characters: the API takes 1,000 of them. */
export const MAX_NAMES_LENGTH = 256 * 1024

/** A text that may be absent. An empty one is absent. */
export const OptionalText = optionalText(600)

export function optionalText(maxLength: number) {
  return z
    .string()
    .max(maxLength)
    .transform((text) => text.trim() || undefined)
    .optional()
}

/** A period such as `6h` or `2d`, in milliseconds. */
export const OptionalPeriod = OptionalText.refine(
  (text) => text === undefined || parsePeriod(text) !== undefined,
  'is a period, such as 6h or 2d',
).transform((text) => (text === undefined ? undefined : parsePeriod(text)))

/** Splits names at commas and spaces; `undefined` without any. */
export function namesIn(text: string | undefined): string[] | undefined {
  const names = (text ?? '').split(/[\s,]+/).filter((name) => name !== '')
  return names.length === 0 ? undefined : names
}

/** Names between spaces or commas; absent without any. */
export const OptionalNames = optionalText(MAX_NAMES_LENGTH).transform(namesIn)

/** Accounts and groups, one a line, since names of groups may have spaces and commas; absent without any. */
export const OptionalAccounts = optionalText(MAX_NAMES_LENGTH).transform((text) =>
  text
    ?.split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== ''),
)

/** Fields that a form repeats: one arrives as a text, several as an array. */
export const RepeatedText = z
  .union([z.string().max(600), z.array(z.string().max(600)).max(200)])
  .transform((value) => (typeof value === 'string' ? [value] : value))
  .default([])

/**
 * Parses the fields of a form with a shape of the API. Throws `invalid_request`, with a part for each fault
 * that names its field.
 */
export function parseFields<Shape extends z.ZodType>(shape: Shape, fields: unknown): z.infer<Shape> {
  const parsed = shape.safeParse(fields, { error: shapeFault })
  if (parsed.success) return parsed.data
  const parts = parsed.error.issues.map(({ path, message }) => ({
    pointer: `/${path.filter((step) => typeof step === 'string').at(-1) ?? ''}`,
    detail: message,
  }))
  throw refusalOf('invalid_request', parts)
}

/**
 * Parses the package and the target after which a page of a list begins, such as `acme/app x86_64-linux`.
 * Returns `undefined`, for the beginning of the list, if they are absent or malformed.
 */
export function linePlaceOf(after: string | undefined): PointerPlace | undefined {
  const [name = '', text] = after?.split(' ') ?? []
  const target = TARGETS.find((each) => each === text)
  return target === undefined ? undefined : [name, target]
}

/** Adds parameters to a path. Absent ones are left out. */
export function withQuery(path: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(parameters).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value]],
  )
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given).toString()}`
}
