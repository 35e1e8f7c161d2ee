import { spawn } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'tap'

// The runner of these tests must fail for everything that goes wrong outside an assertion, too.

const FILES = {
  'afterwards.test.ts': `
    test('throws when the next file begins', async (t) => {
      process.once('message', () => { throw new Error('thrown afterwards') })
      t.pass()
    })`,
  'good.test.ts': `test('passes', async (t) => t.pass())`,
  'assertion.test.ts': `test('fails', async (t) => { t.equal(1, 2, 'one is two'); t.pass() })`,
  'thrown.test.ts': `throw new Error('thrown at the top')`,
  'late.test.ts': `
    test('starts work', async (t) => { t.pass(); setImmediate(() => { throw new Error('thrown late') }) })
    test('is running then', async (t) => { await new Promise((resolve) => setTimeout(resolve, 5)); t.pass() })`,
  'later.test.ts': `
    test('starts work', async (t) => { t.pass(); setImmediate(() => { throw new Error('thrown after the end') }) })`,
  'teardown.test.ts': `
    import tap from 'tap'
    tap.teardown(() => { setImmediate(() => { throw new Error('thrown in the teardown') }) })
    test('passes', async (t) => t.pass())`,
  'lost.test.ts': `
    test('loses a promise', async (t) => {
      void Promise.reject(new Error('nobody waits for it'))
      await new Promise(setImmediate)
      t.pass()
    })`,
  'empty.test.ts': '',
  'skipped.test.ts': `test('is left out', { skip: 'later' }, async (t) => t.pass())`,
  'dead.test.ts': `test('ends its process', async () => process.kill(process.pid, 'SIGKILL'))`,
  'unfinished.test.ts': `test('exits', async (t) => { t.pass(); process.exit(0) })`,
  'last.test.ts': `test('passes in the next process', async (t) => t.pass())`,
}

test('a file fails with each kind of error, and all others run', async (t) => {
  const folder = t.testdir(
    Object.fromEntries(
      Object.entries(FILES).map(([name, body]) => [name, `import { test } from 'tap'\n${body}\n`]),
    ),
  )
  const names = Object.keys(FILES)
  const runner = spawn(
    process.execPath,
    [join(import.meta.dirname, 'run.ts'), ...names.map((name) => join(folder, name))],
    // One process runs all files, so that errors after the end of a file meet the next one.
    { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, PROCESSES: '1' } },
  )
  const [output, [code]] = await Promise.all([text(runner.stdout), once(runner, 'exit')])
  const results = new Map(
    [...output.matchAll(/^(ok|FAILED) \S*\/(\S+\.test\.ts) /gm)].map(([, result, name]) => [name, result]),
  )
  t.strictSame(
    Object.fromEntries(results),
    Object.fromEntries(names.map((name) => [name, /good|last/.test(name) ? 'ok' : 'FAILED'])),
    output,
  )
  for (const said of [
    'assertion.test.ts > fails > one is two',
    'thrown at the top',
    'late.test.ts > is running then > thrown late',
    'thrown after the end',
    'thrown in the teardown',
    'thrown afterwards',
    'lost.test.ts > loses a promise > nobody waits for it',
    'dead.test.ts > its process ended with SIGKILL',
    'unfinished.test.ts > its process ended with 0',
  ])
    t.ok(output.includes(said), said)
  t.match(output, new RegExp(`, ${names.length} files, `))
  t.equal(code, 1)
})

test('only test files import tap, since the tests of another module would belong to no file', async (t) => {
  const modules = globSync('**/*.ts', { cwd: import.meta.dirname }).filter(
    (file) =>
      !/\.(test|slow|install|nginx|proxy|ruby|shellcheck|tools|chroot|cluster|postgres|browser|gateway|loop)\.ts$/.test(
        file,
      ) && file !== 'support/runner/run-files.ts',
  )
  t.ok(modules.length > 20)
  for (const file of modules)
    t.notMatch(
      readFileSync(join(import.meta.dirname, file), 'utf8'),
      /^import (?!type ).* from 'tap'$/m,
      file,
    )
})
