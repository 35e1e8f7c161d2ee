import { fork } from 'node:child_process'
import { chmodSync, existsSync, globSync, mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative, resolve } from 'node:path'
import type { FileResult } from './support/runner/run-files.ts'

// Runs the named test files and those of the named folders, or all: `test/run.ts [FILE | FOLDER]...`. There
// is a process for each core, and one more. Each takes the next file when it is done with one, since starting
// a process and loading the server takes longer than most files do. Prints one line per file and the
// failures.

const ROOT = resolve(import.meta.dirname, '..')
const MEMORY_DISK = '/dev/shm'
const MEMORY_DISK_NEEDS_BYTES = 2 * 1024 ** 3
/**
 * Tests make more garbage than a server. With V8's usual young generation, a sixth of their time is its
 * collection.
 */
const EXEC_ARGV = ['--min-semi-space-size=16', '--max-semi-space-size=32']
const FOLDER = /^hart-depot-tests-(\d+)-/
/** Folders and files that take long. They begin first, so that no core is left with a long one at the end. */
const LONG = [
  'depot/subscribers',
  'views/model',
  'backup/drill',
  'import/',
  'pull/',
  'docs/',
  'cli/',
  'upkeep/',
  'http/',
]

const named = process.argv.slice(2).map((path) => relative(ROOT, resolve(path)))
const files = (named.length > 0 ? named : ['test']).flatMap((path) =>
  path.endsWith('.ts') ? [path] : globSync(`${path}/**/*.test.ts`, { cwd: ROOT }).toSorted(),
)
const queue = files.toSorted((a, b) => place(a) - place(b))

function place(file: string): number {
  const index = LONG.findIndex((beginning) => file.startsWith(`test/${beginning}`))
  return index === -1 ? LONG.length : index
}

const begun = performance.now()
let passed = 0
let failed = 0

function tell(result: FileResult): void {
  passed += result.passed
  // A file without a single assertion tests nothing.
  const failures = Math.max(result.failed, result.passed === 0 ? 1 : 0)
  failed += failures
  process.stdout.write(result.failures)
  const { file, passed: assertions, durationMs, processorMs } = result
  console.log(
    `${failures === 0 ? 'ok' : 'FAILED'} ${file} ${assertions} ${durationMs}ms, processor ${processorMs}ms`,
  )
}

/**
 * A process that runs files until none are left. When it dies, the file that it ran has failed, and another
 * process goes on.
 */
async function runProcess(env: NodeJS.ProcessEnv): Promise<void> {
  let file = queue.shift()
  if (file === undefined) return
  const child = fork(join(import.meta.dirname, 'support/runner/run-files.ts'), { env, execArgv: EXEC_ARGV })
  child.on('message', (result: FileResult | { readonly setTimeout: number }) => {
    if (!('file' in result)) return // tap's own message to the runner it expects
    tell(result)
    if (result.isLate === true) return
    file = queue.shift()
    if (file === undefined) child.disconnect()
    else child.send(file)
  })
  child.send(file)
  const { promise, resolve: end } = Promise.withResolvers<string>()
  child.once('exit', (code, signal) => end(`its process ended with ${code ?? signal}`))
  const ended = await promise
  if (file === undefined) return
  tell({
    file,
    passed: 0,
    failed: 1,
    failures: `not ok > ${file} > ${ended}\n`,
    durationMs: 0,
    processorMs: 0,
  })
  await runProcess(env)
}

/**
 * A folder for temporary files on a disk in memory, where there is a large one: most of the time of a small
 * commit is its sync. Removes those of earlier runs that were killed.
 */
function memoryDisk(): string | undefined {
  if (!existsSync(MEMORY_DISK)) return undefined
  for (const name of readdirSync(MEMORY_DISK)) {
    const pid = Number(FOLDER.exec(name)?.[1])
    if (pid > 0 && !isRunning(pid)) rmSync(join(MEMORY_DISK, name), { recursive: true, force: true })
  }
  const stats = statfsSync(MEMORY_DISK)
  if (stats.bavail * stats.bsize < MEMORY_DISK_NEEDS_BYTES) return undefined
  const folder = mkdtempSync(join(MEMORY_DISK, `hart-depot-tests-${process.pid}-`))
  chmodSync(folder, 0o1777) // as /tmp, since some tests run commands as another user
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
  return folder
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

const folder = memoryDisk()
const env = { ...process.env, ...(folder !== undefined && { TMPDIR: folder }) }
// One more than cores, because a file that waits for a timer or another process leaves its core idle.
// PROCESSES overrides it.
const processes = Math.min(Number(process.env['PROCESSES'] ?? availableParallelism() + 1), queue.length)
await Promise.all(Array.from({ length: processes }, () => runProcess(env)))
console.log(
  `${passed} assertions passed, ${failed} failed, ${files.length} files, ${((performance.now() - begun) / 1000).toFixed(0)} s`,
)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1
