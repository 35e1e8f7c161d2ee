import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import pino from 'pino'
import { sqliteFileOf } from '../src/config/database.ts'
import { readConfig } from '../src/config/config.ts'
import { openDepot } from '../src/depot/open.ts'
import type { Depot } from '../src/depot/depot.ts'
import { ACTOR, openByHand } from './yardsticks/by-hand.ts'
import type { Row } from './yardsticks/by-hand.ts'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Results } from './results.ts'
import { fill, identOf, viewOf } from './fillings/million-rows.ts'
import { TARGET, TOKEN } from './clients/publisher.ts'
import { openScratch } from './scratch.ts'

// Measures how long a small change waits during the largest allowed promotion. The yardstick is prepared
// statements that write the same rows in one transaction, for which a small change has to wait. Both move
// `latest` of every package.

const MOST = 10_000
const MAX_WAIT_MS = 500

export async function measureWaits({
  isQuick,
  size = isQuick ? 1_000 : MOST,
}: {
  isQuick: boolean
  size?: number
}): Promise<Results> {
  await using scratch = await openScratch()
  const [data, file] = [join(scratch.path, 'data'), join(scratch.path, 'by-hand.sqlite')]
  await fill(data, { releases: 2 * size, packages: size })
  const depot = await openDepot(readConfig({ DEPOT_DATA: data, DEPOT_ADMIN_TOKEN: TOKEN }), {
    log: pino({ level: 'silent' }),
  })
  try {
    checkpoint(depot)
    copyFileSync(sqliteFileOf(depot.config), file)
    using hand = openByHand(file)
    const sets = [0, 1].map((nth) =>
      Array.from({ length: size }, (_, n): Row => ({ ident: identOf(n, nth), target: TARGET })),
    )
    let turn = 0
    hand.promote(sets[1] ?? [])
    const samples = await byTurns(isQuick ? 2 : 6, {
      depot: async () => beside(depot, (turn += 1)),
      hand: async () => {
        const begun = performance.now()
        hand.promote(sets[turn % 2] ?? [])
        const largeMs = performance.now() - begun
        hand.promote(sets[turn % 2]?.slice(0, 1) ?? [])
        return { largeMs, waitMs: performance.now() - begun }
      },
    })
    const measurement = (name: string, of: (sample: { largeMs: number; waitMs: number }) => number) => ({
      name,
      unit: 'ms',
      depot: spreadOf(samples.depot.map(of)),
      yardstick: { name: 'the same rows by hand', ...spreadOf(samples.hand.map(of)) },
    })
    const longest = Math.max(...samples.depot.map(({ waitMs }) => waitMs))
    return {
      measurements: [
        measurement(
          `longest wait of a small change beside a promotion of ${size} releases`,
          ({ waitMs }) => waitMs,
        ),
        measurement(`promotion of ${size} releases`, ({ largeMs }) => largeMs),
      ],
      limits: [
        {
          name: `longest wait of a small change beside a promotion of ${size} releases`,
          unit: 'ms',
          value: longest,
          max: MAX_WAIT_MS,
        },
      ],
      missing: [],
    }
  } finally {
    await depot.close()
  }
}

/** Makes a large promotion, and small ones one after another until it is done. */
async function beside(depot: Depot, turn: number): Promise<{ largeMs: number; waitMs: number }> {
  const running = new AbortController()
  let waitMs = 0
  const begun = performance.now()
  const large = depot.writer
    .submit({
      kind: 'changeView',
      input: { request: { view: viewOf(0), act: 'promote', source: { from: viewOf(1 + (turn % 2)) } } },
      actor: ACTOR,
    })
    .then(() => performance.now() - begun)
    .finally(() => running.abort())
  for (let count = 0; !running.signal.aborted; count += 1) {
    const asked = performance.now()
    await depot.writer.submit({
      kind: 'promote',
      input: { view: viewOf(5), releases: [{ ident: identOf(0, count % 2), target: TARGET }] },
      actor: ACTOR,
    })
    waitMs = Math.max(waitMs, performance.now() - asked)
  }
  return { largeMs: await large, waitMs }
}

/** Moves the write-ahead log into the database file, so that a copy of the file is complete. */
function checkpoint({ config }: Depot): void {
  const connection = new BetterSqlite3(sqliteFileOf(config))
  connection.pragma('wal_checkpoint(TRUNCATE)')
  connection.close()
}

if (process.argv[1] === import.meta.filename) {
  const [size] = process.argv.slice(2).filter((argument) => /^\d+$/.test(argument))
  console.log(
    formatResults(
      await measureWaits({
        isQuick: process.argv.includes('--quick'),
        ...(size !== undefined && { size: Number(size) }),
      }),
    ),
  )
}
