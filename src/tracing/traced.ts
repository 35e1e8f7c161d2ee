import { tracingChannel } from 'node:diagnostics_channel'
import type { Context } from '@opentelemetry/api'

/** The values that describe an operation in a trace. They name no secrets. */
export type Attributes = Readonly<Record<string, string | number | boolean>>

/** A step of work that a trace shows. */
export interface Operation {
  /** One of few names: no ident, URL or account. */
  readonly name: string
  readonly attributes: Attributes
}

/** Publishes operations while something subscribes to it; see {@link openTracing}. */
export const operations = tracingChannel<Operation, Context>('hart-depot.operation')

/**
 * Runs `act`, and publishes it as an operation while traces are on. While they are off, this costs one
 * comparison.
 */
export function traced<T>(name: string, attributes: Attributes, act: () => Promise<T>): Promise<T> {
  return operations.hasSubscribers ? operations.tracePromise(act, { name, attributes }) : act()
}
