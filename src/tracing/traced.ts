import { tracingChannel } from 'node:diagnostics_channel'
import type { Context } from '@opentelemetry/api'

/** Values that describe an operation in a trace. They must not contain secrets. */
export type Attributes = Readonly<Record<string, string | number | boolean>>

/** A step of work that appears as a span in a trace. */
export interface Operation {
  /** One of a few constant names, without idents, URLs or accounts. */
  readonly name: string
  readonly attributes: Attributes
}

/** The channel on which operations are published. `openTracing` subscribes to it. */
export const operations = tracingChannel<Operation, Context>('hart-depot.operation')

/**
 * Runs `act` and returns its result. While traces are on, publishes it as an operation; while they are off,
 * the cost is one comparison.
 */
export function traced<T>(name: string, attributes: Attributes, act: () => Promise<T>): Promise<T> {
  return operations.hasSubscribers ? operations.tracePromise(act, { name, attributes }) : act()
}
