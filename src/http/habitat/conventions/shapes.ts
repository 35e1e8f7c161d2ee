import { z } from 'zod'
import { named } from '../../requests/described.ts'
import type { Ident as IdentValue } from '../../../package/ident.ts'
import type { Page } from '../../../releases/ident-count-store.ts'

// Habitat's JSON (habitat-today.md 1.3 and 3, habitat-2016.md 1.6): each shape, and the function that makes
// it. Ids are strings; times are naive UTC with microseconds. Named shapes have the same names in
// openapi.yaml.

/** A value of a shape. */
export type Json<Shape extends z.ZodType> = Frozen<z.infer<Shape>>
type Frozen<T> = T extends object ? { readonly [K in keyof T]: Frozen<T[K]> } : T

/** An error for `hab`, which shows the message (habitat-2016.md 1.5). */
export const Fault = named('HabitatFault', z.object({ code: z.int(), msg: z.string() }), {
  code: 4,
  msg: 'acceptance has no acme/app for x86_64-linux',
})

export const Visibility = z.enum(['public', 'private', 'hidden'])

/** Formats a time: `2026-01-01T00:00:00.123000`. */
export function wireTime(at: number): string {
  return `${new Date(at).toISOString().slice(0, -1)}000`
}

const identShape = z.object({
  origin: z.string(),
  name: z.string(),
  version: z.string(),
  release: z.string(),
})

// Values in the examples of openapi.yaml.
export const EXAMPLE_IDENT: z.input<typeof identShape> = {
  origin: 'acme',
  name: 'app',
  version: '1.2.0',
  release: '20260101120000',
}
export const EXAMPLE_TIME = '2026-01-02T09:00:00.000000'

export const Ident = named('HabitatIdent', identShape, EXAMPLE_IDENT)

export function wireIdent(ident: IdentValue): Json<typeof Ident> {
  return { origin: ident.origin, name: ident.name, version: ident.version, release: ident.release }
}

/** Returns the shape of a page of a list as today's Builder sends it. `example` is an example of one item. */
export function pageOf<Item extends z.ZodType>(id: string, item: Item, example: z.input<Item>) {
  return named(
    id,
    z.object({
      range_start: z.int().describe('the zero-based offset of the first item of the page'),
      range_end: z.int().describe('the offset of the last item of the page'),
      total_count: z.int().describe('the number of items on all pages'),
      data: z.array(item),
    }),
    { range_start: 0, range_end: 0, total_count: 1, data: [example] },
  )
}

/** Makes such a page and its status, which is 206 while there are more items (habitat-today.md 3.5). */
export function wirePage<Item, Wire>(
  { items, total }: Page<Item>,
  offset: number,
  write: (item: Item) => Wire,
): { status: 200 | 206; body: Omit<Json<ReturnType<typeof pageOf>>, 'data'> & { data: readonly Wire[] } } {
  const end = items.length === 0 ? total : offset + items.length - 1
  return {
    status: total > end + 1 ? 206 : 200,
    body: { range_start: offset, range_end: end, total_count: total, data: items.map(write) },
  }
}
