import { z } from 'zod'
import type { Ident as IdentValue } from '../../../package/ident.ts'
import type { Page } from '../../../releases/ident-count-store.ts'

// Habitat's JSON (habitat-today.md 1.3 and 3, habitat-2016.md 1.6): each shape, and the function that makes
// it. Ids are strings; times are naive UTC with microseconds. Shapes with a name have it in openapi.yaml.

/** A value of a shape. */
export type Json<Shape extends z.ZodType> = Frozen<z.infer<Shape>>
type Frozen<T> = T extends object ? { readonly [K in keyof T]: Frozen<T[K]> } : T

export const Visibility = z.enum(['public', 'private', 'hidden'])

/** Formats a time: `2026-01-01T00:00:00.123000`. */
export function wireTime(at: number): string {
  return `${new Date(at).toISOString().slice(0, -1)}000`
}

export const Ident = z
  .object({ origin: z.string(), name: z.string(), version: z.string(), release: z.string() })
  .meta({ id: 'HabitatIdent' })

export function wireIdent(ident: IdentValue): Json<typeof Ident> {
  return { origin: ident.origin, name: ident.name, version: ident.version, release: ident.release }
}

/** Returns a page of a current list. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({
    range_start: z.int(),
    range_end: z.int(),
    total_count: z.int(),
    data: z.array(item),
  })
}

/** Makes a page of a current list, and its status: 206 while there are more items (habitat-today.md 3.5). */
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
