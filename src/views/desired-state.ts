import type { ReleaseName } from '../package/ident.ts'
import type { ViewRule } from './rule.ts'
import type { Gates } from './view.ts'

/** The maximum number of views that one state may describe. */
export const MAX_VIEWS_IN_STATE = 1_000

/**
 * What a view should be. An absent field leaves that part of the view as it is. A new view without a `rule`
 * gets `promoted`. The object can be written as JSON.
 */
export interface DesiredView {
  readonly view: string
  /** Whether the view should not exist. It must be empty then. */
  readonly isClosed?: true
  readonly rule?: ViewRule
  /** Replaces the origins that the view does not govern. */
  readonly ungoverned?: readonly string[]
  /** Replaces all gates. */
  readonly gates?: Gates
  /**
   * The releases that `latest` should answer, at most one on each line. Packages that are not listed leave
   * the view.
   */
  readonly contents?: readonly ReleaseName[]
}
