import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { run, runToEnd, scratchFolder } from '../support/run-cli.ts'

test('commands that run at the same time wait for each other', async (t) => {
  const DEPOT_DATA = await scratchFolder(t)
  const names = ['a', 'b', 'c']
  const ends = await Promise.all(names.map((name) => runToEnd(['account', 'add', name], { DEPOT_DATA })))
  t.strictSame(
    ends.map(({ code }) => code),
    [0, 0, 0],
  )
  t.equal(ends.filter(({ stderr }) => stderr.includes('hart_')).length, 1, 'only one created the depot')
})

test('a closed pipe ends a command without a word', async (t) => {
  for (const name of ['stdout', 'stderr'] as const) {
    const running = run(name === 'stdout' ? ['openapi'] : ['fly'])
    running.process[name]?.destroy()
    t.match(await running.ended, { code: 141, stdout: '', stderr: '' }, name)
  }
})

test('under npm, relative paths start from the folder where npm was called', async (t) => {
  const standing = await scratchFolder(t)
  const throughNpm = { npm_package_name: 'hart-depot', INIT_CWD: standing }
  t.match(await runToEnd(['account', 'add', 'ci'], { ...throughNpm, DEPOT_DATA: 'depot' }), { code: 0 })
  t.ok(existsSync(join(standing, 'depot', 'depot.sqlite')))
  await writeFile(join(standing, 'second.key'), 'no key')
  t.match(await runToEnd(['key', 'trust', 'second', 'second.key'], { ...throughNpm, DEPOT_DATA: 'depot' }), {
    code: 1,
    stderr: /^hart-depot: not the key file of a depot: /,
  })
  t.match(await runToEnd(['key', 'trust', 'second', 'none.key'], { ...throughNpm, DEPOT_DATA: 'depot' }), {
    code: 1,
    stderr: `hart-depot: there is no ${join(standing, 'none.key')}\n`,
  })
})
