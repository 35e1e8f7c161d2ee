import type { DepotError } from '../../../errors.ts'

/** A form that was sent and refused. */
export interface RefusedForm {
  /** The path to which it was sent, with its query. */
  readonly path: string
  /** The fields as they were sent. */
  readonly values: Readonly<Record<string, unknown>>
  readonly detail: string
  readonly parts: DepotError['parts']
  /** Whether the page has shown the refusal. */
  isShown: boolean
}
