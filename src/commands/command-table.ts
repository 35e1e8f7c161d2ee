import { Callers } from './callers.ts'
import { handlers } from './commands.ts'

/** What the writer needs to run commands: their handlers, and the check of their callers' rights. */
export const commandTable = { handlers, checkCallers: (now: () => number) => new Callers(now) }
