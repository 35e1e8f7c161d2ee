import type { Actor, Authority } from '../access/access.ts'
import type { Db } from '../database/database.ts'
import type { CommandContext } from '../ledger/command-context.ts'
import type { LedgerEvent } from '../ledger/entry.ts'

// The writer knows no command. Its owner passes a table of handlers, from which `submit` takes its
// types.

/** The handlers of commands, by kind. Inputs must survive `structuredClone`, outcomes JSON. */
export type Handlers = Readonly<Record<string, (context: CommandContext, input: never) => Promise<unknown>>>

/** The kinds of commands in a table. */
export type KindIn<T extends Handlers> = keyof T & string

/** The outcome of a kind of command: what its handler resolves with. */
export type OutcomeIn<T extends Handlers, K extends KindIn<T>> = Awaited<ReturnType<T[K]>>

/** A command for a writer with the handlers `T`. */
export interface CommandIn<T extends Handlers, K extends KindIn<T> = KindIn<T>> {
  readonly kind: K
  readonly input: Parameters<T[K]>[1]
  readonly actor: Actor
}

/**
 * Checks the callers of commands in one transaction, and in those that follow it as long as all are committed
 * and nobody else writes.
 */
export interface CallerCheck<T extends Handlers> {
  /** Returns the rights of a command's caller. Throws if the caller may not submit the command. */
  authorize(db: Db, command: CommandIn<T>): Promise<Authority>
  /** Called for each event that a command records. */
  onRecord(event: LedgerEvent): void
}

/** The commands of a writer. */
export interface CommandTable<T extends Handlers> {
  readonly handlers: T
  /** The kinds of commands that also run while the depot accepts no changes (commands/set-moving.ts). */
  readonly whileMoving: readonly KindIn<T>[]
  /** Makes a check that knows nothing yet. `now` returns epoch milliseconds. */
  readonly checkCallers: (now: () => number) => CallerCheck<T>
}

/** Calls the handler of a command. */
export function handle<T extends Handlers>(
  handlers: T,
  context: CommandContext,
  { kind, input }: CommandIn<T>,
): Promise<unknown> {
  // The table pairs each kind with its input; a union type cannot express the pairing.
  const handler = handlers[kind] as (context: CommandContext, input: unknown) => Promise<unknown>
  return handler(context, input)
}
