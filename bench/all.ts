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
import { formatResults, spreadOf } from './results.ts'
import type { Results } from './results.ts'
import { measureFleet } from './fleet.ts'
import { measureHistory } from './history.ts'
import { measureInstall } from './install.ts'
import { measureMillion } from './million.ts'
import { measureMillionNodes } from './million-nodes.ts'
import { measureMove } from './move.ts'
import { measureOthers } from './others.ts'
import { measurePage } from './page.ts'
import { measurePages } from './pages.ts'
import { measurePoll } from './poll.ts'
import { measurePostgres } from './postgres.ts'
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

// `npm run bench` takes every measurement, prints the results, and replaces their sections in RESULTS.md as it
// goes. `npm run bench -- start tls` takes these alone. `npm run bench -- --quick` takes a minute or two, leaves
// out what is slow, is less exact, and only prints.

const RESULTS = new URL('RESULTS.md', import.meta.url)

const INTRODUCTION = `# What things cost

Each section is the last run of one measurement of \`npm run bench\`, on the day and the machine that it names. Each cell is the median
of the rounds, and in brackets their least and most. Depot and yardstick ran by turns, each in a process of its own; processor time is
that of the server's process, in the kernel too. The ratio, of the medians, is what to look at: the rest is the machine's.
[profile.md](profile.md) says where the time goes.
`

interface Subject {
  /** The heading of its section. */
  readonly title: string
  readonly measure: (options: { isQuick: boolean }) => Promise<Results>
  /** Takes ten seconds or more even when it is quick, so that a quick run leaves it out. */
  readonly isSlow?: true
}

/** By the name of the file, in the order of the sections. */
const SUBJECTS: Readonly<Record<string, Subject>> = {
  poll: { title: 'Polls', measure: measurePoll },
  'token-polls': { title: 'Polls with a token', measure: measureTokenPolls, isSlow: true },
  tls: { title: 'Polls over TLS', measure: measureTls, isSlow: true },
  edge: { title: 'The edge', measure: measureEdge, isSlow: true },
  others: { title: 'Polls of other registries', measure: measureOthers },
  workers: { title: 'Workers', measure: measureWorkers, isSlow: true },
  stall: { title: 'Polls while much else is done', measure: measureStall, isSlow: true },
  upkeep: { title: 'Polls during background work', measure: measureUpkeep, isSlow: true },
  fleet: { title: 'A fleet', measure: measureFleet, isSlow: true },
  feed: { title: 'Many readers of the feed', measure: measureFeed },
  install: { title: 'Installs', measure: measureInstall, isSlow: true },
  upload: { title: 'Uploads', measure: measureUpload },
  'small-uploads': { title: 'Small uploads', measure: measureSmallUploads },
  s3: { title: 'Packages in S3', measure: measureS3, isSlow: true },
  download: { title: 'Downloads', measure: measureDownload },
  promotions: { title: 'Promotions', measure: measurePromotions },
  waits: { title: 'A small change beside a large one', measure: measureWaits },
  postgres: { title: 'PostgreSQL', measure: measurePostgres, isSlow: true },
  cluster: { title: 'Several nodes', measure: measureCluster, isSlow: true },
  move: { title: 'Moves between engines', measure: measureMove, isSlow: true },
  history: { title: 'The past, and verify', measure: measureHistory, isSlow: true },
  page: { title: 'The page', measure: measurePage, isSlow: true },
  pages: { title: 'Pages of lists', measure: measurePages },
  pull: { title: 'Pulls', measure: measurePull, isSlow: true },
  upstream: { title: 'Installs through a depot with an upstream', measure: measureUpstream, isSlow: true },
  backup: { title: 'Backups', measure: measureBackup, isSlow: true },
  start: { title: 'Start and memory', measure: measureStart, isSlow: true },
  cli: { title: 'The command line', measure: measureCli, isSlow: true },
  'first-promotion': {
    title: 'From a clone to a first promotion',
    measure: measureFirstPromotion,
    isSlow: true,
  },
  gateways: { title: 'Gateways', measure: measureGateways, isSlow: true },
  million: { title: 'A million releases', measure: measureMillion, isSlow: true },
  'million-nodes': { title: 'Nodes with a million releases', measure: measureMillionNodes, isSlow: true },
}

const isQuick = process.argv.includes('--quick')
const asked = process.argv.slice(2).filter((word) => !word.startsWith('--'))
const unknown = asked.filter((name) => !Object.hasOwn(SUBJECTS, name))
if (unknown.length > 0) {
  console.error(
    `There is no measurement ${unknown.join(', ')}. There are: ${Object.keys(SUBJECTS).join(', ')}.`,
  )
  process.exit(2)
}

for (const [name, { title, measure, isSlow = false }] of Object.entries(SUBJECTS)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  if (isQuick && isSlow && asked.length === 0) {
    console.log(`## ${title}\n\nThis takes too long for a quick run: npm run bench -- ${name}\n`)
    continue
  }
  const begun = performance.now()
  const results = formatResults(await measure({ isQuick }))
  console.log(`## ${title}\n\n${results}`)
  console.error(`${name}: ${((performance.now() - begun) / 1_000).toFixed(1)} s`)
  if (!isQuick) await replaceSection(title, `${await machine()}\n\n${results}`)
}

/** Writes RESULTS.md again, with `text` as the section of this title, and the others as they were. */
async function replaceSection(title: string, text: string): Promise<void> {
  const sections = new Map<string, string>()
  for (const section of readFileSync(RESULTS, 'utf8').split(/^## /m).slice(1)) {
    const end = section.indexOf('\n')
    sections.set(section.slice(0, end), section.slice(end + 1).trim())
  }
  sections.set(title, text.trim())
  const kept = Object.values(SUBJECTS).flatMap((subject) => {
    const section = sections.get(subject.title)
    return section === undefined ? [] : [`## ${subject.title}\n\n${section}\n`]
  })
  writeFileSync(RESULTS, [INTRODUCTION, ...kept].join('\n'))
}

/** The day and the machine of a section. */
async function machine(): Promise<string> {
  const [cpu] = cpus()
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return `${new Date().toISOString().slice(0, 10)}, hart-depot ${version}, Node ${process.versions.node}, ${type()} ${release().replace(/-.*/, '')}, ${cpus().length} × ${cpu?.model ?? 'unknown processor'}, 4 KB written and synced in ${(await syncMicros()).toFixed(0)} µs`
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
