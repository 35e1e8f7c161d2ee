import { DepotError, quote } from '../errors.ts'

/** Every target Habitat knows (habitat-today.md 5). A depot takes a subset of them: `DEPOT_TARGETS`. */
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

/** What a request that names no target, from a client that does not tell its own, means (habitat-today.md 3.1). */
export const DEFAULT_TARGET: Target = 'x86_64-linux'

export function isTarget(text: string): text is Target {
  return (TARGETS as readonly string[]).includes(text)
}

/** Throws `target_malformed`. */
export function parseTarget(text: string): Target {
  if (isTarget(text)) return text
  throw targetMalformed(text)
}

/** The refusal of a text that is no target. */
export function targetMalformed(text: string, more: { builderText?: string } = {}): DepotError {
  return new DepotError(
    'target_malformed',
    `${quote(text)} is not a target; targets are ${TARGETS.join(', ')}`,
    more,
  )
}
