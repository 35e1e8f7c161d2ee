import type { Define } from '../command.ts'

/** A command of the tree. Its module is loaded only when it runs or shows its help. */
export interface Entry {
  /** One word, or a group and a word. */
  readonly name: string
  readonly summary: string
  /**
   * With `isRemote`, the command talks to the depot that is named; otherwise some work on the data folder.
   */
  readonly load: (isRemote: boolean) => Promise<Define>
}

/** Commands under their headings of the help. */
export type Entries = Readonly<Record<string, readonly Entry[]>>
