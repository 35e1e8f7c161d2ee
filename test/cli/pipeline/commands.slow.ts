import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { CLONE } from '../../support/documents/document.ts'
import { run } from '../../support/run-cli.ts'
import type { Running } from '../../support/run-cli.ts'
import { makeProject } from '../../support/views/project.ts'
import { until } from '../../support/until.ts'

// Phases in processes of their own: what their commands print, and how they end.

/** Starts `pipeline unit` in a project with this command. */
async function start(t: Parameters<typeof makeProject>[0], unit: string): Promise<Running> {
  const { folder } = await makeProject(t, { '.hart-depot.yml': `unit: ${JSON.stringify(unit)}\n` })
  return run(['pipeline', 'unit'], { npm_package_name: 'hart-depot', INIT_CWD: folder })
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('SIGTERM and SIGINT end the command with its children', async (t) => {
  for (const [signal, code] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const) {
    const running = await start(t, 'sleep 300 & echo "child $!"; echo "shell $$"; wait')
    const [, child] = await running.hears('stderr', /child (\d+)/)
    const [, shell] = await running.hears('stderr', /shell (\d+)/)
    running.process.kill(signal)
    t.match(await running.ended, { code, stdout: '' }, signal)
    for (const pid of [child, shell]) await until(`${pid} has ended`, async () => !isRunning(Number(pid)))
  }
})

test('a command that ignores SIGTERM is killed', async (t) => {
  const running = await start(t, `trap '' TERM; echo "shell $$"; while :; do sleep 1; done`)
  const [, shell] = await running.hears('stderr', /shell (\d+)/)
  running.process.kill('SIGTERM')
  t.match(await running.ended, { code: 143 })
  await until('the shell has ended', async () => !isRunning(Number(shell)))
})

test('output comes while the command runs', async (t) => {
  const { folder, write } = await makeProject(t, {
    '.hart-depot.yml': 'unit: echo begun; until [ -e go ]; do sleep 0.01; done; echo over\n',
  })
  const running = run(['pipeline', 'unit'], { npm_package_name: 'hart-depot', INIT_CWD: folder })
  await running.hears('stderr', /^begun/m)
  await write({ go: '' })
  t.match(await running.ended, { code: 0, stderr: /^over/m })
})

const PEAK = "awk '/^VmHWM/ { print $2 }' /proc/$PPID/status > "
const MAX_GROWTH_KIB = 30_000

test('a hundred megabytes of binary output pass through, and none of it stays in memory', async (t) => {
  const { folder } = await makeProject(t, {
    '.hart-depot.yml': `unit: ${PEAK}before; head -c 100000000 /dev/zero; ${PEAK}after\n`,
  })
  const { PATH = '' } = process.env
  const child = spawn(process.execPath, [join(CLONE, 'src/main.ts'), 'pipeline', 'unit'], {
    env: { PATH, HOME: folder, npm_package_name: 'hart-depot', INIT_CWD: folder },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let zeros = 0
  child.stderr.on('data', (piece: Buffer) => {
    zeros += piece.filter((byte) => byte === 0).length
  })
  t.strictSame(await once(child, 'close'), [0, null])
  t.equal(zeros, 100_000_000)
  const [before, after] = await Promise.all(
    ['before', 'after'].map(async (name) => Number(await readFile(join(folder, name), 'utf8'))),
  )
  t.ok(before !== undefined && before > 0)
  t.ok(after !== undefined && after - Number(before) < MAX_GROWTH_KIB, `${before} to ${after} KiB`)
})
