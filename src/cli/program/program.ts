import { ADMINISTRATION } from './administration.ts'
import type { Entries, Entry } from './entry.ts'
import { LOCAL } from './local.ts'
import { RELEASES } from './releases.ts'
import { VIEWS } from './views.ts'

/** All commands, under the headings of the help. */
export const PROGRAM: Entries = { ...RELEASES, ...VIEWS, ...ADMINISTRATION, ...LOCAL }

/** All commands, in the order of the help. */
export const ENTRIES: readonly Entry[] = Object.values(PROGRAM).flat()
