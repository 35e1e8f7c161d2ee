import { Callers } from './callers.ts'
import { handlers } from './commands.ts'

/** All commands and the rights that they need, as one table for the writer. */
export const commandTable = { handlers, checkCallers: (now: () => number) => new Callers(now) }
