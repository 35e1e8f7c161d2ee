import { existsSync, readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join, resolve } from 'node:path'
import { Writable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import type { Base, Test as FileTest } from 'tap'
import { Failures } from './failures.ts'

// A process of test/run.ts. It runs the test files that it receives one after the other, each as one test of
// tap, and sends the results.

export interface FileResult {
  readonly file: string
  readonly passed: number
  /** The number of assertions that failed, were skipped, or are marked as to do. */
  readonly failed: number
  /** The failed assertions with their details; empty if there are none. */
  readonly failures: string
  readonly durationMs: number
  /** Of this process with its threads, and of processes that it started and that ended. */
  readonly processorMs: number
  /** Whether this adds to an earlier result of the file. */
  readonly isLate?: boolean
}

const FILE_TIMEOUT_MS = 400_000
const OWN_STAT = '/proc/self/stat'
const ROOT = resolve(import.meta.dirname, '../../..')

/** The file that runs, or that was the last. */
let name = ''
let isRunning = false
let running: { readonly url: string; readonly t: FileTest } | undefined

/** Returns the test of the file that is being loaded. */
export function fileTest(): FileTest {
  if (running === undefined) throw new Error('no test file is being loaded')
  return running.t
}

// Replaces the package through which tap learns of uncaught errors. That package watches every promise, which
// takes a fifth of the time of the tests. Here tests run one after the other, so an uncaught error belongs to
// the innermost running test.
const NO_DOMAINS = 'data:text/javascript,export class Domain { destroy() {} }'
process.on('uncaughtException', (error, origin) => {
  const test = runningTest()
  if (test !== undefined) test.threw(error, { tapCaught: origin })
  else reportAfterEnd(error, origin)
})

/**
 * Returns the innermost test that has not ended. tap would add the errors of others to the result of all
 * files.
 */
function runningTest(): Base | undefined {
  let innermost: Base | undefined
  for (let each: Base | undefined = tap; each instanceof Test;) {
    each = [...each.activeSubtests].at(-1)
    if (each === undefined) break
    const { count, planEnd } = each.parser
    if (each.results === undefined && (planEnd === -1 || count < planEnd)) innermost = each
  }
  return innermost
}

registerHooks({
  resolve(specifier, context, next) {
    if (specifier === 'async-hook-domain') return { url: NO_DOMAINS, shortCircuit: true }
    if (specifier === 'tap' && running !== undefined && context.parentURL === running.url) {
      const { href } = new URL(`./file-tap.ts?${encodeURIComponent(running.url)}`, import.meta.url)
      return { url: href, shortCircuit: true }
    }
    return next(specifier, context)
  },
})

setFlagsFromString('--min-semi-space-size=0') // threads have the young generation of the product
setFlagsFromString('--max-semi-space-size=0')

const { default: tap, Test } = await import('tap')
tap.setTimeout(0) // each file has its own timeout
const failures = new Failures()
// tap would write to stdout otherwise.
tap.pipe(
  new Writable({
    decodeStrings: false,
    write(text: string, _encoding, done) {
      failures.read(text)
      done()
    },
  }),
)

/** The errors that a file threw after its last test, while it was torn down. */
let afterEnd: string[] = []

function reportAfterEnd(error: Error, origin: string): void {
  const failure = `not ok > ${name} > ${origin} after its end > ${error.stack ?? error.message}\n`
  if (isRunning) return void afterEnd.push(failure)
  const late = { file: name, passed: 0, failed: 1, failures: failure, durationMs: 0, processorMs: 0 }
  process.send?.({ ...late, isLate: true } satisfies FileResult)
}

async function run(file: string): Promise<FileResult> {
  const begun = performance.now()
  const processor = processorMs()
  const { total, pass } = tap.counts
  name = file
  isRunning = true
  afterEnd = []
  await tap.test(file, { timeout: FILE_TIMEOUT_MS }, async (t) => {
    t.teardown(async () => new Promise(setImmediate)) // the last of all: leaves time for errors of the file
    const path = join(ROOT, file)
    running = { url: pathToFileURL(path).href, t }
    await import(path)
  })
  isRunning = false
  const passed = tap.counts.pass - pass
  return {
    file,
    passed,
    failed: tap.counts.total - total - passed + afterEnd.length,
    failures: failures.take() + afterEnd.join(''),
    durationMs: Math.round(performance.now() - begun),
    processorMs: Math.round(processorMs() - processor),
  }
}

function processorMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000 + childrenMs()
}

/**
 * Reads `cutime` and `cstime`, the fields 16 and 17 of proc_pid_stat(5), in hundredths of a second. Other
 * systems than Linux count nothing.
 */
function childrenMs(): number {
  if (!existsSync(OWN_STAT)) return 0
  const fields = readFileSync(OWN_STAT, 'latin1')
    .replace(/^.*\) /, '')
    .split(' ') // from the third field
  return (Number(fields[13]) + Number(fields[14])) * 10
}

let last: Promise<unknown> = Promise.resolve()
process.on('message', (file: string) => {
  last = last.then(async () => process.send?.(await run(file)))
})
process.on('disconnect', () => process.exit())
