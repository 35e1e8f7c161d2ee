import { z } from 'zod'

// Parameters of pages. Browsers send the empty fields of a form, too.

/** A text that may be absent. An empty one is absent. */
export const OptionalText = z
  .string()
  .max(600)
  .transform((text) => text.trim() || undefined)
  .optional()

/** Splits names at commas and spaces; `undefined` without any. */
export function namesIn(text: string | undefined): string[] | undefined {
  const names = (text ?? '').split(/[\s,]+/).filter((name) => name !== '')
  return names.length === 0 ? undefined : names
}

/** Adds parameters to a path. Absent ones are left out. */
export function withQuery(path: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(parameters).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value]],
  )
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given).toString()}`
}
