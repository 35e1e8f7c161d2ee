import { DepotError, quote } from '../errors.ts'

/** All targets of Habitat (habitat-today.md 5). `DEPOT_TARGETS` selects the ones that a depot accepts. */
export const TARGETS = [
  'x86_64-linux',
  'x86_64-linux-kernel2',
  'x86_64-windows',
  'x86_64-darwin',
  'aarch64-linux',
  'aarch64-darwin',
  'aarch64-windows',
] as const

export type Target = (typeof TARGETS)[number]

/** The target of requests without one. Some clients do not send theirs (habitat-today.md 3.1). */
export const DEFAULT_TARGET: Target = 'x86_64-linux'

export function isTarget(text: string): text is Target {
  return (TARGETS as readonly string[]).includes(text)
}

/** Parses a target. Throws `target_malformed`. */
export function parseTarget(text: string): Target {
  if (isTarget(text)) return text
  throw targetMalformed(text)
}

/** Returns the error for a text that is not a target. */
export function targetMalformed(text: string, more: { builderText?: string } = {}): DepotError {
  return new DepotError(
    'target_malformed',
    `${quote(text)} is not a target; targets are ${TARGETS.join(', ')}`,
    more,
  )
}
