import { DepotError, quote } from '../errors.ts'
import type { Ident } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import type { Freeze, Gates } from './gates.ts'

declare const brand: unique symbol

/** A view's name, which only {@link parseViewName} makes. Wide enough for a service group's, `app.production@acme`. */
export type ViewName = string & { readonly [brand]: 'ViewName' }

/** What `latest` means: the member promoted last, or the member with the highest version. */
export type ViewRule = 'promoted' | 'highest'

/** Who made a view. One that only Habitat clients made needs to be made by each origin before it promotes there. */
export type ViewMaker = 'depot' | 'operator' | 'client'

export interface View {
  readonly id: number
  readonly name: ViewName
  readonly rule: ViewRule
  readonly maker: ViewMaker
  /** The last revision made; 0 before the first promotion. */
  readonly revision: number
  readonly createdAt: number
  readonly closedAt: number | undefined
  /** Origins that answer from the channel asked for below the view's URL, rather than as the view has them. */
  readonly ungoverned: readonly string[]
  readonly gates: Gates
  readonly freeze: Freeze | undefined
  /** Of a preview: the view it shows, and the plan whose effect it shows there. */
  readonly preview: { readonly baseId: number; readonly planId: number } | undefined
}

/** A release as views handle it. */
export interface ViewRelease {
  readonly releaseId: number
  readonly packageId: number
  readonly originId: number
  readonly ident: Ident
  readonly target: Target
  readonly orderKey: string
}

/** Where what the Supervisor itself is made of lives (DESIGN 3). */
export const FIRST_UNGOVERNED: readonly string[] = ['core', 'chef']

/** Every upload joins it, and nothing leaves: `hab` looks for releases there. */
export const UNSTABLE = 'unstable'

export const STABLE = 'stable'

/** The channels that every Habitat origin has, and keeps (habitat-today.md 3.7). */
export const STAYING_CHANNELS: readonly string[] = [UNSTABLE, STABLE]

/** Present from the first start (DESIGN: the pipeline, and the default channels of hab 1.6, 2.0 and 2.1). */
export const FIRST_VIEWS: readonly { readonly name: string; readonly rule: ViewRule }[] = [
  { name: UNSTABLE, rule: 'highest' },
  { name: 'acceptance', rule: 'promoted' },
  { name: 'union', rule: 'promoted' },
  { name: 'rehearsal', rule: 'promoted' },
  { name: 'delivered', rule: 'promoted' },
  { name: STABLE, rule: 'highest' },
  { name: 'base', rule: 'highest' },
]

const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]*$/
const LONGEST_NAME = 255

export function isViewName(text: string): text is ViewName {
  return text.length <= LONGEST_NAME && NAME.test(text)
}

/** Throws `invalid_request`. */
export function parseViewName(text: string): ViewName {
  if (isViewName(text)) return text
  throw new DepotError('invalid_request', `${quote(text)} is not a view's name: letters, digits and . _ @ -, starting with a letter or digit, at most ${LONGEST_NAME}`)
}
