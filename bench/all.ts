import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, type } from 'node:os'
import { measureDownload } from './download.ts'
import { measureFeed } from './feed.ts'
import { formatResults, joinResults } from './figure.ts'
import { measureFleet } from './fleet.ts'
import { measureHistory } from './history.ts'
import { measureInstall } from './install.ts'
import { measurePoll } from './poll.ts'
import { measurePromotions } from './promotions.ts'
import { measurePull } from './pull.ts'
import { measureUpload } from './upload.ts'

// `npm run bench`: every figure, printed and kept in RESULTS.md. `npm run bench -- --quick`: within a minute, rougher, only printed.

const RESULTS = new URL('RESULTS.md', import.meta.url)
const isQuick = process.argv.includes('--quick')

const MEASURES = [
  measurePoll,
  measureFleet,
  measureFeed,
  measureInstall,
  measureUpload,
  measureDownload,
  measurePromotions,
  measureHistory,
  measurePull,
]

const measured = []
for (const measure of MEASURES) measured.push(await measure({ isQuick }))
const results = formatResults(joinResults(measured))
console.log(results)
if (!isQuick) writeFileSync(RESULTS, `${introduction()}\n${results}`)

function introduction(): string {
  const [cpu] = cpus()
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
  return `# The last run of \`npm run bench\`

hart-depot ${version}, Node ${process.versions.node}, ${type()} ${release().replace(/-.*/, '')}, ${cpus().length} × ${cpu?.model ?? 'unknown processor'}, ${new Date().toISOString().slice(0, 10)}.

Each cell is the median of the rounds, and in brackets their least and most. Depot and yardstick ran by turns, each in a process of
its own; processor time is that of the server's process, in the kernel too. The ratio, of the medians, is what to look at: the rest
is the machine's.
`
}
