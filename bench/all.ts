import { closeSync, fsyncSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { cpus, release, type } from 'node:os'
import { join } from 'node:path'
import { measureBackup } from './backup.ts'
import { measureCluster } from './cluster.ts'
import { measureCli } from './cli.ts'
import { measureDownload } from './download.ts'
import { measureEdge } from './edge.ts'
import { measureFeed } from './feed.ts'
import { measureFirstPromotion } from './first-promotion.ts'
import { measureGateways } from './gateways.ts'
import { formatResults, joinResults, spreadOf } from './results.ts'
import type { Results } from './results.ts'
import { measureFleet } from './fleet.ts'
import { measureHistory } from './history.ts'
import { measureInstall } from './install.ts'
import { measureMillion } from './million.ts'
import { measureMove } from './move.ts'
import { measureOthers } from './others.ts'
import { measurePage } from './page.ts'
import { measurePages } from './pages.ts'
import { measurePoll } from './poll.ts'
import { measurePromotions } from './promotions.ts'
import { measurePull } from './pull.ts'
import { openScratch } from './scratch.ts'
import { measureS3 } from './s3.ts'
import { measureSmallUploads } from './small-uploads.ts'
import { measureStall } from './stall.ts'
import { measureStart } from './start.ts'
import { measureTls } from './tls.ts'
import { measureTokenPolls } from './token-polls.ts'
import { measureUpkeep } from './upkeep.ts'
import { measureUpload } from './upload.ts'
import { measureUpstream } from './upstream.ts'
import { measureWaits } from './waits.ts'
import { measureWorkers } from './workers.ts'

// `npm run bench` takes every measurement, prints the results and writes RESULTS.md. `npm run bench --
// --quick` takes a minute, is less exact and only prints.

const RESULTS = new URL('RESULTS.md', import.meta.url)
/** Notes on profiles, written by hand. */
const PROFILE = new URL('profile.md', import.meta.url)
const isQuick = process.argv.includes('--quick')

const MEASURES = [
  measurePoll,
  measureTokenPolls,
  measureTls,
  measureEdge,
  measureOthers,
  measureWorkers,
  measureStall,
  measureUpkeep,
  measureFleet,
  measureFeed,
  measureInstall,
  measureUpload,
  measureSmallUploads,
  measureS3,
  measureDownload,
  measurePromotions,
  measureWaits,
  measureCluster,
  measureMove,
  measureHistory,
  measurePage,
  measurePages,
  measurePull,
  measureUpstream,
  measureBackup,
  measureStart,
  measureCli,
  measureFirstPromotion,
  measureGateways,
  measureMillion,
]
/** The measurements that a quick run leaves out. */
const LEFT_OUT_OF_QUICK = new Map<unknown, string>([
  [measureTls, 'polls over TLS'],
  [measureStall, 'polls while much else is done'],
  [measureUpkeep, 'polls during background work'],
  [measureFleet, 'polls of a fleet'],
  [measureInstall, 'installs'],
  [measureFirstPromotion, 'from a clone to a first promotion'],
  [measureHistory, 'the past, and verify'],
  [measurePull, 'pulls'],
  [measureUpstream, 'installs through a depot with an upstream'],
])

const measured: Results[] = []
for (const measure of MEASURES) {
  const leftOut = isQuick ? LEFT_OUT_OF_QUICK.get(measure) : undefined
  if (leftOut !== undefined) {
    measured.push({ measurements: [], limits: [], missing: [`${leftOut}: not in a quick run`] })
    continue
  }
  const begun = performance.now()
  measured.push(await measure({ isQuick }))
  console.error(`${measure.name}: ${((performance.now() - begun) / 1_000).toFixed(1)} s`)
}
const results = formatResults(joinResults(measured))
console.log(results)
if (!isQuick) writeFileSync(RESULTS, `${await introduction()}\n${results}\n${readFileSync(PROFILE, 'utf8')}`)

async function introduction(): Promise<string> {
  const [cpu] = cpus()
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return `# The last run of \`npm run bench\`

hart-depot ${version}, Node ${process.versions.node}, ${type()} ${release().replace(/-.*/, '')}, ${cpus().length} × ${cpu?.model ?? 'unknown processor'}, 4 KB
written and synced in ${(await syncMicros()).toFixed(0)} µs, ${new Date().toISOString().slice(0, 10)}.

Each cell is the median of the rounds, and in brackets their least and most. Depot and yardstick ran by turns, each in a process of
its own; processor time is that of the server's process, in the kernel too. The ratio, of the medians, is what to look at: the rest
is the machine's.
`
}

/** Measures the time of a durable write on this disk, in microseconds. */
async function syncMicros(): Promise<number> {
  await using scratch = await openScratch()
  const fd = openSync(join(scratch.path, 'synced'), 'w')
  const page = Buffer.alloc(4096)
  const micros = Array.from({ length: 200 }, () => {
    const begun = performance.now()
    writeSync(fd, page)
    fsyncSync(fd)
    return (performance.now() - begun) * 1_000
  })
  closeSync(fd)
  return spreadOf(micros).median
}
