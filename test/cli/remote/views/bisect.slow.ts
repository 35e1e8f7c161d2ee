import { test } from 'tap'
import { commandsOn } from '../../../support/command.ts'
import { ADMIN_TOKEN } from '../../../support/start-depot.ts'
import { NEW, OLD, startMoved } from '../../../support/views/view-scene.ts'

/** A program that judges a revision by the end of HAB_BLDR_URL. */
function judge(script: string): string[] {
  return [
    process.execPath,
    '-e',
    `const revision = Number(process.env.HAB_BLDR_URL.split('@')[1]); ${script}`,
  ]
}

async function startWithTen(t: Parameters<typeof startMoved>[0]) {
  const { started } = await startMoved(t)
  const run = commandsOn(started)
  for (const ident of [OLD, NEW, OLD, NEW, OLD, NEW, OLD]) await run(['promote', 'union', ident])
  return { started, run }
}

test('bisect finds the first bad revision with a command', async (t) => {
  const { started, run } = await startWithTen(t)
  const search = ['bisect', 'union', '--good', '1', '--bad', '10', '--']
  const found = await run([...search, ...judge('process.exit(revision < 7 ? 0 : 1)')])
  t.match(found, { code: 0, stdout: /^Revision 7 of union is the first bad one/ })
  t.match(found.stderr, `${started.url}/v1/depot/views/union@5\n`)
})

test('bisect passes over revisions that the command skips', async (t) => {
  const { run } = await startWithTen(t)
  const search = ['bisect', 'union', '--good', '1', '--bad', '10', '--quiet', '--']
  const one = judge('process.exit(revision === 5 ? 125 : revision < 7 ? 0 : 3)')
  t.match(await run([...search, ...one]), { code: 0, stdout: '7\n' })
  const some = judge('process.exit(revision > 4 && revision < 8 ? 125 : revision < 7 ? 0 : 1)')
  t.match(await run([...search, ...some]), { code: 1, stdout: '', stderr: /one of 5 to 8/ })
})

test('the command of bisect gets the token of this depot and no other, and writes to stderr', async (t) => {
  const { run } = await startWithTen(t)
  const print = judge('console.log(`with ${process.env.HAB_AUTH_TOKEN}`)')
  const { stdout, stderr } = await run(['bisect', 'union', '--good', '1', '--bad', '3', '--', ...print], {
    env: { HAB_AUTH_TOKEN: 'of-another-depot' },
  })
  t.match(stderr, `with ${ADMIN_TOKEN}`)
  t.match(stdout, /^Revision 3/)
})

test('bisect stops where its command breaks, and refuses wrong arguments', async (t) => {
  const { run } = await startWithTen(t)
  const search = ['bisect', 'union', '--good', '1', '--bad', '10', '--']
  t.match(await run([...search, ...judge('process.exit(200)')]), { code: 1, stderr: /exit code 200/ })
  t.match(await run([...search, './there-is-no-such-program']), { code: 1, stderr: /cannot be run/ })
  t.match(await run(['bisect', 'union', '--good', '1', '--bad', '10']), { code: 2, stderr: /after --/ })
  t.match(await run(['bisect', 'union', '--good', '3', '--bad', '2', '--', 'true']), { code: 2 })
  t.match(await run(['bisect', 'union', '--good', '1', '--', 'true']), { code: 2, stderr: /--bad/ })
})

test('without a command, bisect asks at the terminal', async (t) => {
  const { run } = await startWithTen(t)
  const answered = await run(['bisect', 'union', '--good', '1', '--bad', '3'], { typed: '\r' })
  t.match(answered, { code: 0, stdout: /^Revision 3/, stderr: /Is revision 2 good\?/ })
})

test('the command of bisect reads the view as it was at the revision', async (t) => {
  const { run } = await startWithTen(t)
  const latest = `fetch(process.env.HAB_BLDR_URL + '/pkgs/acme/app/latest').then((answer) => answer.json())
    .then(({ ident }) => process.exit(ident.version === '1.1.0' ? 0 : 1))`
  t.match(await run(['bisect', 'union', '--good', '2', '--bad', '4', '-q', '--', ...judge(latest)]), {
    code: 0,
    stdout: '4\n',
    stderr: '',
  })
})
