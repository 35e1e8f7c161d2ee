import type { Target } from '../package/target.ts'

/** The forms of a package in JSON. `brief` leaves out long texts, as Builder does outside of channels. */
export type Shape = 'whole' | 'brief'

/** A poll of a supervisor: which release is the latest? The strings are decoded parts of the URL. */
export interface LatestQuestion {
  readonly shape: Shape
  readonly view: string
  readonly origin: string
  readonly name: string
  readonly version?: string | undefined
  readonly target: Target
}

/** A request for one release, in one view or in any. */
export interface ExactQuestion {
  readonly shape: Shape
  readonly ident: string
  /** The default is `x86_64-linux` if the ident has that target, and otherwise its first target by name. */
  readonly target: Target | undefined
  readonly view?: string
}
