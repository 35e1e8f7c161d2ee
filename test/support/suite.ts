import { chmodSync, existsSync, globSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join, resolve } from 'node:path'
import tap from 'tap'
import type { Test } from 'tap'

const FILE_TIMEOUT_MS = 180_000
const MEMORY_DISK = '/dev/shm'
const MEMORY_DISK_NEEDS_BYTES = 2 * 1024 ** 3
const TESTS = resolve(import.meta.dirname, '..')

/**
 * The suites, with the beginnings of the paths of their test files. A file belongs to the first suite that has it.
 * Each suite is one process, since starting a process and loading the server takes longer than most files do.
 */
export const SUITES: Readonly<Record<string, readonly string[]>> = {
  cli: ['cli/'],
  docs: ['docs/', 'e2e/'],
  'http-api': ['http/api/'],
  'http-depot': ['http/depot/'],
  'http-habitat': ['http/habitat/'],
  http: ['http/'],
  views: ['views/', 'commands/', 'revisions/'],
  import: ['import/', 'pull/', 'releases/', 'publishing/'],
  values: ['hart/', 'text/', 'package/', 'access/', 'lockfiles/', 'blobs/', 'search/'],
  rest: [''],
}

/** The test files of a suite, as paths below the folder `test`, in order. */
export function filesOf(suite: string): string[] {
  return globSync('**/*.test.ts', { cwd: TESTS })
    .filter((file) => suiteOf(file) === suite)
    .toSorted()
}

function suiteOf(file: string): string | undefined {
  return Object.entries(SUITES).find(([, beginnings]) =>
    beginnings.some((beginning) => file.startsWith(beginning)),
  )?.[0]
}

let running: Test | undefined

/** The test that stands for the file that is being loaded. */
export function fileTest(): Test {
  if (running === undefined) throw new Error('no file of a suite is being loaded')
  return running
}

/** Runs the files of a suite one after the other, each as a test of its own: what a file tears down is torn down before the next one begins. */
export async function runSuite(suite: string): Promise<void> {
  useMemoryAsDisk()
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier !== 'tap' || context.parentURL?.endsWith('.test.ts') !== true)
        return next(specifier, context)
      const { href } = new URL(`./file-tap.ts?${encodeURIComponent(context.parentURL)}`, import.meta.url)
      return { url: href, shortCircuit: true }
    },
  })
  for (const file of filesOf(suite)) {
    await tap.test(`test/${file}`, { timeout: FILE_TIMEOUT_MS }, async (t) => {
      running = t
      await import(join(TESTS, file))
    })
  }
}

/** Puts temporary folders on a disk in memory, where there is a large one: most of the time of a small commit is its sync. */
function useMemoryAsDisk(): void {
  if (!existsSync(MEMORY_DISK)) return
  const stats = statfsSync(MEMORY_DISK)
  if (stats.bavail * stats.bsize < MEMORY_DISK_NEEDS_BYTES) return
  const folder = mkdtempSync(join(MEMORY_DISK, 'hart-depot-tests-'))
  chmodSync(folder, 0o1777) // as /tmp, since some tests run commands as another user
  process.env['TMPDIR'] = folder
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
}
