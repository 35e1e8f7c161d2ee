import { rename } from 'node:fs/promises'
import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { listEvents } from '../remote/habitat-reads.ts'
import type { RemoteDepot } from '../remote/remote-depot.ts'

// The times at which a source promoted and demoted releases (habitat-today.md 3.4). A ledger has only the
// times of its own entries, so an import keeps the source's times in a file, with one JSON object per line:
//
//   {"at":"2025-03-01T08:00:00Z","operation":"Promote","origin":"acme","channel":"stable","ident":"acme/…"}

// Habitat was first released in 2016, so no event is older.
const FIRST_DAY = '2016-01-01'
const DAY_MS = 86_400_000

/**
 * Saves the promotions and demotions of origins in a file: origin by origin, and the newest of each origin
 * first. Writes to `FILE.part`, and replaces the file when all are read. Returns the number of events. `now`
 * is in epoch milliseconds. Throws `RemoteError`, and errors of the disk.
 */
export async function saveHistory(
  source: RemoteDepot,
  file: string,
  { origins, now }: { origins: readonly string[]; now: number },
): Promise<number> {
  let count = 0
  const lines = async function* (): AsyncGenerator<string> {
    for await (const line of listLines(source, origins, now)) {
      count += 1
      yield line
    }
  }
  await pipeline(Readable.from(lines()), createWriteStream(`${file}.part`))
  await rename(`${file}.part`, file)
  return count
}

async function* listLines(
  source: RemoteDepot,
  origins: readonly string[],
  now: number,
): AsyncGenerator<string> {
  const lastDay = new Date(now + DAY_MS).toISOString().slice(0, 10)
  for (const origin of origins) {
    for await (const event of listEvents(source, { from: FIRST_DAY, to: lastDay, words: origin })) {
      if (event.origin !== origin) continue
      const { created_at: at, operation, channel, package_ident: ident } = event
      const parts = [ident.origin, ident.name, ident.version, ident.release]
      // Builder's times are in UTC and have no zone.
      const time = new Date(/Z$|[+-]\d\d:?\d\d$/.test(at) ? at : `${at}Z`)
      yield `${JSON.stringify({
        at: Number.isNaN(time.getTime()) ? at : time.toISOString(),
        operation,
        origin,
        channel,
        ident: parts.join('/'),
      })}\n`
    }
  }
}
