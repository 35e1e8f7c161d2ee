import { open } from 'node:fs/promises'
import type { Test } from 'tap'
import { formatIdent } from '../../../src/package/ident.ts'
import { ask } from '../ask.ts'
import type { BuiltHart } from '../build-hart.ts'
import { makeOrigin, publishAll } from '../origin.ts'
import { startDepot } from '../start-depot.ts'
import type { TestDepot } from '../start-depot.ts'

export const FAST = { DEPOT_SCRUB_RATE: '1000GiB' }

export const IDENTS = [
  'acme/app/1.0.0/20260101120000',
  'acme/app/2.0.0/20260101120000',
  'acme/app/3.0.0/20260101120000',
]

/** Starts a depot that scrubs at full speed and has three packages. */
export async function start(
  t: Test,
  options: Parameters<typeof startDepot>[1] = {},
): Promise<{ started: TestDepot; harts: BuiltHart[]; pathOf: (hart: BuiltHart) => string }> {
  const started = await startDepot(t, { listen: true, environment: FAST, ...options })
  await makeOrigin(started)
  return {
    started,
    harts: await publishAll(started, ...IDENTS),
    pathOf: ({ checksum }) => started.depot.blobs.storage.placeOf(checksum),
  }
}

export const download = ({ url }: TestDepot, hart: BuiltHart, method = 'GET') =>
  ask(`${url}/v1/depot/pkgs/${formatIdent(hart.ident)}/download`, {
    method,
    headers: { 'user-agent': 'hab/2.1.78' },
  })

export async function flipByte(path: string): Promise<void> {
  await using file = await open(path, 'r+')
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, 100)
  await file.write(Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, 100)
}

export const scrubOf = ({ depot }: TestDepot) =>
  depot.upkeep?.scrub ??
  (() => {
    throw new Error('this depot has no scrub')
  })()
