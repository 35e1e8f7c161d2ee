import type { CommandKind } from './commands.ts'
import { Callers } from './callers.ts'
import { handlers } from './commands.ts'

const whileMoving: readonly CommandKind[] = ['setMoving', 'setUp']

/** What the writer needs to run commands: their handlers, and the check of their callers' rights. */
export const commandTable = { handlers, whileMoving, checkCallers: (now: () => number) => new Callers(now) }
