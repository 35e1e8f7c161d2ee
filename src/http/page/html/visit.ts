import type { Caller } from '../../../access/access.ts'
import type { RefusedForm } from './refused-form.ts'

/** What templates know of the request that a page answers. */
export interface Visit {
  /** The URL of the depot, without a slash at its end, for commands that a page shows. */
  readonly depotUrl: string
  /** The path of this page with its query, without the path of the depot. */
  readonly path: string
  /** Epoch milliseconds. */
  readonly now: number
  /** The number of entries that the ledger had when the request came. The page shows at least these. */
  readonly sequence: number
  readonly caller: Caller
  /** The token that each form must send in the field `_csrf`. */
  readonly formToken: string | undefined
  /** The form whose refusal this page shows. */
  readonly refused: RefusedForm | undefined
  /** Returns the URL of a path of the page, for example `/views/delivered`. */
  readonly to: (path: string) => string
}
