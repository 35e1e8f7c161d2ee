import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { UsageError } from '../../src/cli/subcommand.ts'
import { tokenAdd } from '../../src/cli/token-add.ts'
import { tokenRevoke } from '../../src/cli/token-revoke.ts'
import { runToEnd, scratchFolder } from '../support/run-cli.ts'

test('an account and its narrowed token are made without a server, and listed', async (t) => {
  const DEPOT_DATA = await scratchFolder(t)
  const added = await runToEnd(['account', 'add', 'ci', '--email', 'ci@example.org'], { DEPOT_DATA })
  t.match(added, { code: 0, stdout: 'added the account ci\n' })
  t.match(added.stderr, /^This is the first use of .*\. Its administrator's token, shown only now: hart_\S+\n$/)

  const narrowing = ['--action', 'upload,promote', '--origin', 'acme', '--view', 'acceptance', '--view', 'union']
  const issued = await runToEnd(['token', 'add', 'ci', '--label', 'build', '--expires', '2199-01-31', ...narrowing], { DEPOT_DATA })
  t.match(issued, { code: 0, stderr: '' })
  t.match(issued.stdout, /^hart_[\w-]{43}\n$/, 'the token stands alone on stdout')

  const { stdout: table } = await runToEnd(['token', 'list', 'ci'], { DEPOT_DATA })
  const [heading = '', row = '', ...more] = table.trimEnd().split('\n')
  t.strictSame(more, [])
  t.match(row, /^2 {3}ci +active +build +\S+Z +2199-01-31T00:00:00Z +upload,promote; origins acme; views acceptance,union$/)
  t.equal(row.indexOf('build'), heading.indexOf('LABEL'), 'columns are aligned')
  t.notMatch(table, issued.stdout.trim())

  const { stdout: json } = await runToEnd(['token', 'list', '--json'], { DEPOT_DATA })
  t.match(JSON.parse(json), [
    { id: 1, account: 'admin', expires_at: null, scope: {} },
    { id: 2, account: 'ci', state: 'active', label: 'build', expires_at: '2199-01-31T00:00:00Z', scope: { actions: ['upload', 'promote'], origins: ['acme'] } },
  ])
  const accounts = await runToEnd(['account', 'list', '--json'], { DEPOT_DATA })
  t.match(JSON.parse(accounts.stdout), [{ name: 'admin', is_administrator: true, email: null }, { name: 'ci', is_administrator: false, email: 'ci@example.org' }])

  t.match(await runToEnd(['token', 'revoke', '2'], { DEPOT_DATA }), { code: 0, stdout: 'revoked token 2 of ci\n' })
  t.match((await runToEnd(['token', 'list'], { DEPOT_DATA })).stdout, /^2 .* revoked /m)
  t.match(await runToEnd(['token', 'revoke', '2'], { DEPOT_DATA }), { code: 1, stdout: '', stderr: 'hart-depot: token 2 was revoked before\n' })
})

test('two commands at once wait for one another', async (t) => {
  const DEPOT_DATA = await scratchFolder(t)
  const names = ['a', 'b', 'c']
  const ends = await Promise.all(names.map((name) => runToEnd(['account', 'add', name], { DEPOT_DATA })))
  t.strictSame(ends.map(({ code }) => code), [0, 0, 0])
  t.equal(ends.filter(({ stderr }) => stderr.includes('hart_')).length, 1, 'one of them made the depot')
})

test('a refusal is one line on stderr and exit code 1', async (t) => {
  const DEPOT_DATA = join(await scratchFolder(t), 'nothing')
  const refusals: [string[], Record<string, string>, RegExp][] = [
    [['token', 'list'], { DEPOT_DATA }, /^hart-depot: there is no depot in \S+nothing yet\n$/],
    [['serve'], { DEPOT_DATA, DEPOT_LISTEN: 'nowhere' }, /^hart-depot: DEPOT_LISTEN must be HOST:PORT.*\n$/],
    [['token', 'add', 'ci'], { DEPOT_DATA, DEPOT_COLOUR: 'red' }, /^hart-depot: there is no setting DEPOT_COLOUR.*\n$/],
    [['token', 'add', 'ci', '--expires', 'soon'], { DEPOT_DATA }, /^hart-depot: "soon" is no expiry.*\n$/],
  ]
  const ends = await Promise.all(refusals.map(([args, environment]) => runToEnd(args, environment)))
  for (const [index, [, , stderr]] of refusals.entries()) t.match(ends[index], { code: 1, stdout: '', stderr })
  t.notOk(existsSync(DEPOT_DATA), 'none of them made a depot')
})

test('what was typed wrong is exit code 2, and says in one line how to type it', async (t) => {
  t.match(await runToEnd(['token']), { code: 2, stdout: '', stderr: 'hart-depot: there is no command "token": see hart-depot --help\n' })
  t.match(await runToEnd(['token', 'revoke', '1', '--now']), { code: 2, stdout: '', stderr: /^hart-depot: Unknown option '--now'.*; usage: hart-depot token revoke ID\n$/ })
  for (const [args, message] of [
    [[], 'NAME is missing'],
    [['a', 'b'], 'one NAME is enough: b'],
    [['a', '--action', 'fly'], '"fly" is not an action'],
    [['a', '--origin', 'Acme'], '"Acme" is not an origin\'s name'],
    [['a', '--view', '../x'], '"../x" is not a view\'s name'],
  ] as const) {
    await t.rejects(tokenAdd.run([...args]), new UsageError(message))
  }
  await t.rejects(tokenRevoke.run(['x']), new UsageError('"x" is not the ID of a token: token list shows them'))
})

test('help and version are told', async (t) => {
  t.match(await runToEnd(['--version']), { code: 0, stdout: /^hart-depot \d+\.\d+\.\d+\n$/ })
  const { code, stdout } = await runToEnd(['--help'])
  t.equal(code, 0)
  for (const name of ['serve', 'account add', 'account list', 'token add', 'token list', 'token revoke', 'verify', 'demo', 'openapi']) t.match(stdout, `\n  ${name} `)
  t.match(await runToEnd(['token', 'add', '--help']), { code: 0, stdout: /^hart-depot token add NAME .*--expires WHEN/s })
  t.match(await runToEnd([]), { code: 2, stdout: '', stderr: /^hart-depot COMMAND/ })
})
