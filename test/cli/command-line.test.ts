import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { expectAccess, expectDepot, readLocalConfig } from '../../src/cli/local/data-folder.ts'
import { submit } from '../../src/cli/local/submit.ts'
import { readConfig } from '../../src/config/config.ts'
import { callApi } from '../support/call-api.ts'
import { runCommand } from '../support/command.ts'
import { runHere, scratchFolder } from '../support/run-cli.ts'
import { startDepot } from '../support/start-depot.ts'

test('account add and token add work without a running server', async (t) => {
  const DEPOT_DATA = await scratchFolder(t)
  const added = await runHere(['account', 'add', 'ci', '--email', 'ci@example.org'], { DEPOT_DATA })
  t.match(added, { code: 0, stdout: 'added the account ci\n' })
  t.match(
    added.stderr,
    /^This is the first use of .*\. Its administrator's token, shown only now: hart_\S+\n$/,
  )

  const narrowing = ['--action', 'upload,promote', '--view', 'acceptance', '--view', 'union']
  const issued = await runHere(
    ['token', 'add', 'ci', '--label', 'build', '--expires', '2199-01-31', ...narrowing],
    { DEPOT_DATA },
  )
  t.match(issued, { code: 0, stderr: 'This is token 2 of ci. It is shown only now:\n' })
  t.match(issued.stdout, /^hart_[\w-]{43}\n$/, 'the token stands alone on stdout')

  const { stdout: table } = await runHere(['token', 'list', 'ci'], { DEPOT_DATA })
  const [heading = '', row = '', ...more] = table.trimEnd().split('\n')
  t.strictSame(more, [])
  t.match(
    row,
    /^2 {3}ci +build +active until 2199-01-31T00:00:00\S*Z +- +upload,promote; views acceptance,union$/,
  )
  t.equal(row.indexOf('build'), heading.indexOf('LABEL'), 'columns are aligned')
  t.notMatch(table, issued.stdout.trim())

  const { stdout: json } = await runHere(['token', 'list', '--json'], { DEPOT_DATA })
  t.match(JSON.parse(json), [
    { id: 1, account: 'admin', expires_at: null, actions: null },
    {
      id: 2,
      account: 'ci',
      state: 'active',
      label: 'build',
      expires_at: '2199-01-31T00:00:00.000Z',
      actions: ['upload', 'promote'],
    },
  ])
  const accounts = await runHere(['account', 'list', '--json'], { DEPOT_DATA })
  t.match(JSON.parse(accounts.stdout), [
    { account: 'admin', administrator: true, email: null },
    { account: 'ci', administrator: false, email: 'ci@example.org' },
  ])

  t.match(await runHere(['token', 'revoke', '2'], { DEPOT_DATA }), {
    code: 0,
    stdout: 'revoked token 2 of ci\n',
  })
  t.match((await runHere(['token', 'list'], { DEPOT_DATA })).stdout, /^2 .* revoked /m)
  t.match(await runHere(['token', 'revoke', '2'], { DEPOT_DATA }), {
    code: 3,
    stdout: '',
    stderr: 'hart-depot: token 2 is already revoked\n',
  })
})

test('a refusal is one line on stderr and exit code 1', async (t) => {
  const DEPOT_DATA = join(await scratchFolder(t), 'nothing')
  const refusals: [string[], Record<string, string>, RegExp][] = [
    [
      ['token', 'list'],
      { DEPOT_DATA },
      /^hart-depot: there is no depot in (\S+nothing): \1\/depot\.sqlite does not exist\. Set DEPOT_DATA to the data folder of a depot; hart-depot serve creates one\n$/,
    ],
    [['serve'], { DEPOT_DATA, DEPOT_LISTEN: 'nowhere' }, /^hart-depot: DEPOT_LISTEN must be HOST:PORT.*\n$/],
    [
      ['token', 'add', 'ci'],
      { DEPOT_DATA, DEPOT_COLOUR: 'red' },
      /^hart-depot: there is no setting DEPOT_COLOUR.*\n$/,
    ],
    [
      ['token', 'add', 'ci', '--expires', 'soon'],
      { DEPOT_DATA },
      /^hart-depot: "soon" is not an expiry.*\n$/,
    ],
  ]
  const ends = await Promise.all(refusals.map(([args, environment]) => runHere(args, environment)))
  for (const [index, [, , stderr]] of refusals.entries())
    t.match(ends[index], { code: index === 0 ? 5 : 1, stdout: '', stderr })
  t.notOk(existsSync(DEPOT_DATA), 'no command created a depot')
})

test('a token that an account has at a Builder goes on, and only its digest is stored', async (t) => {
  const DEPOT_DATA = await scratchFolder(t)
  await runHere(['account', 'add', 'alice'], { DEPOT_DATA })
  const token = `_${'Qk9YLTEK'.repeat(20)}==`
  const file = join(DEPOT_DATA, 'builder-token')
  await writeFile(file, `${token}\n`)
  const add = (...more: string[]) =>
    runHere(['token', 'add', 'alice', '--existing', file, ...more], { DEPOT_DATA })
  t.match(await add('--label', 'Builder'), { code: 0, stdout: 'stored it as token 2 of alice\n', stderr: '' })
  t.match(await add(), { code: 3, stderr: /the depot already has this token, with the ID 2/ })
  const piped = await runCommand(['token', 'add', 'alice', '--existing', '-', '--quiet'], {
    env: { DEPOT_DATA },
    stdin: 'x'.repeat(40),
  })
  t.match(piped, { code: 0, stdout: '3\n' })
  const elsewhere = ['token', 'add', 'alice', '--existing', file, '--url', 'http://127.0.0.1:9']
  t.match(await runHere(elsewhere, { DEPOT_DATA }), { code: 2, stderr: /works on the machine of the depot/ })
  await writeFile(file, 'guessable')
  t.match(await add(), { code: 2, stderr: /must have at least 32 characters/ })

  const started = await startDepot(t, { folder: DEPOT_DATA })
  t.match(await callApi(started, 'GET', '/api/v1/whoami', { token }), { body: { account: 'alice' } })
  t.notMatch(await readFile(join(DEPOT_DATA, 'depot.sqlite'), 'latin1'), token)
})

test('wrong arguments give exit code 2 and one line with the usage', async (t) => {
  t.match(await runHere(['token']), {
    code: 2,
    stdout: '',
    stderr: /^ {2}token add .*\n {2}token list .*\n(?: {4,}.*\n)* {2}token revoke /,
  })
  for (const [args, meant] of [
    [['tokn', 'list'], 'token list'],
    [['acount', 'add', 'ci'], 'account add'],
    [['token', 'ad'], 'token add'],
    [['sevre'], 'serve'],
    [['acount', '--help'], 'account'],
  ] as const) {
    t.match(
      await runHere([...args]),
      { code: 2, stdout: '', stderr: new RegExp(`; did you mean ${meant}\\?\n$`) },
      args.join(' '),
    )
  }
  t.match(await runHere(['fly']), {
    code: 2,
    stdout: '',
    stderr: 'hart-depot: there is no command "fly": see hart-depot --help\n',
  })
  t.match(await runHere(['--url', 'http://127.0.0.1:9', 'views']), {
    code: 2,
    stderr: 'hart-depot: the command must come first, and --url after it: see hart-depot --help\n',
  })
  for (const [args, message] of [
    [['revoke', '1', '--now'], "unknown option '--now'; see hart-depot token revoke --help"],
    [['revoke', 'x'], '"x" is not the ID of a token: see hart-depot token list'],
    ...(
      [
        [[], 'the account is missing'],
        [['a', 'b'], 'too many arguments. Expected 1 argument but got 2: a, b'],
        [['a', '--action', 'fly'], '"fly" is not an action: read, upload, promote, manage'],
        [
          ['a', '--action', 'uplaod'],
          '"uplaod" is not an action: read, upload, promote, manage; did you mean upload?',
        ],
        [['a', '--lable', 'x'], "unknown option '--lable'; did you mean --label?"],
        [['a', '--label'], "option '--label <text>' argument missing"],
        [
          ['a', '--label', '--expires', '90d'],
          '--label needs a value; write a value that begins with - as --label=--expires',
        ],
        [['a', '--origin', 'Acme'], '"Acme" is not an origin\'s name'],
        [['a', '--view', '../x'], '"../x" is not a view\'s name'],
      ] as const
    ).map(([given, why]) => [['add', ...given], `${why}; see hart-depot token add --help`] as const),
  ] as const)
    t.match(await runHere(['token', ...args]), { code: 2, stdout: '', stderr: `hart-depot: ${message}\n` })
})

test('--help and --version print to stdout', async (t) => {
  t.match(await runHere(['--version']), { code: 0, stdout: /^hart-depot \d+\.\d+\.\d+(-[\w.]+)?\n$/ })
  const { code, stdout } = await runHere(['--help'])
  t.equal(code, 0)
  for (const name of [
    'serve',
    'account add',
    'account list',
    'token add',
    'token list',
    'token revoke',
    'verify',
    'demo',
    'openapi',
  ])
    t.match(stdout, `\n  ${name} `)
  t.match(await runHere(['token', 'add', '--help']), {
    code: 0,
    stdout: /^Usage: hart-depot token add .*--expires <when>/s,
  })
  for (const args of [
    ['account', '--help'],
    ['help', 'account'],
    ['account', '-h'],
  ]) {
    t.match(
      await runHere(args),
      { code: 0, stderr: '', stdout: /^ {2}account add .*\n {2}account list .*\n(?: {2}account .*\n)*\n/ },
      args.join(' '),
    )
  }
  t.match(await runHere(['help', 'token', 'add']), { code: 0, stdout: /^Usage: hart-depot token add / })
  t.match(await runHere(['help']), { code: 0, stdout: /^hart-depot COMMAND/ })
  t.match(await runHere([]), { code: 2, stdout: '', stderr: /^hart-depot COMMAND/ })
})

test('an unknown name is refused with the nearest known name', async (t) => {
  const DEPOT_DATA = await scratchFolder(t)
  t.match(await runHere(['account', 'add', 'jenkins'], { DEPOT_DATA }), { code: 0 })
  const refusals: [string[], string][] = [
    [['token', 'add', 'jenkis'], 'there is no account "jenkis"; did you mean jenkins?'],
    [['token', 'list', 'nobody'], 'there is no account "nobody"'],
    [
      ['token', 'add', 'jenkins', '--view', 'union,deliverd'],
      'there is no view "deliverd"; did you mean delivered?',
    ],
    [['token', 'add', 'jenkins', '--view', 'nosuch'], 'there is no view "nosuch"'],
    [['token', 'add', 'jenkins', '--origin', 'nosuch'], 'there is no origin "nosuch"'],
    [
      ['token', 'add', 'jenkins', '--expires', '2027-02-31'],
      '"2027-02-31" is not an expiry: write 90d, 12h, 30m, 4w, 1y, or a date such as 2027-01-31',
    ],
    [
      ['token', 'add', 'jenkins', '--expires', '99999y'],
      'the expiry "99999y" is more than 200 years away: a token without an expiry never expires',
    ],
    [['token', 'add', 'jenkins', '--expires', '0d'], 'the expiry "0d" is in the past'],
  ]
  const ends = await Promise.all(refusals.map(([args]) => runHere(args, { DEPOT_DATA })))
  for (const [index, [args, message]] of refusals.entries())
    t.match(
      ends[index],
      { code: message.startsWith('there is no') ? 5 : 1, stdout: '', stderr: `hart-depot: ${message}\n` },
      args.join(' '),
    )
  t.equal(
    (JSON.parse((await runHere(['token', 'list', '--json'], { DEPOT_DATA })).stdout) as unknown[]).length,
    1,
    'no command created a token',
  )
})

test('system errors become a sentence with the path', async (t) => {
  const folder = await scratchFolder(t)
  const file = join(folder, 'file')
  await writeFile(file, 'SQLite? no.')
  for (const [environment, message] of [
    [
      { DEPOT_DATA: file },
      `${file} cannot be a folder: it, or a part of it, is a file. DEPOT_DATA must name the data folder of a depot`,
    ],
    [
      { DEPOT_DATA: join(file, 'data') },
      `${join(file, 'data')} cannot be a folder: it, or a part of it, is a file. DEPOT_DATA must name the data folder of a depot`,
    ],
    [
      { DEPOT_DATA: folder, DEPOT_DATABASE_URL: `sqlite:${file}` },
      'the database file is not a SQLite database: check DEPOT_DATA and DEPOT_DATABASE_URL',
    ],
  ] as const) {
    for (const args of [['token', 'list'], ['account', 'add', 'ci'], ['serve']])
      t.match(
        await runHere(args, environment),
        { code: 1, stdout: '', stderr: `hart-depot: ${message}\n` },
        `${args.join(' ')}: ${message}`,
      )
  }
})

test('without DEPOT_DATA, the usual folders are searched, and the sentence names them', async (t) => {
  const [own, system] = [join(await scratchFolder(t), 'data'), await scratchFolder(t)]
  let written = ''
  const io = { env: {}, stderr: { write: (text: string) => void (written += text) } }
  const none = readLocalConfig(io, [own, system])
  t.equal(none.dataFolder, own, 'a new depot is created in the first folder')
  t.match(
    thrownBy(() => expectDepot(none, 'read')),
    {
      code: 'not_found',
      message: `there is no depot in ${own} or ${system}. Set DEPOT_DATA to the data folder of a depot; hart-depot serve creates one. Commands about accounts and tokens reach a depot over HTTP with --url or --profile`,
    },
  )
  await t.rejects(submit(none, io, 'addAccount', { name: 'ci', isAdministrator: false }), {
    code: 'not_found',
  })
  t.notOk(existsSync(own), 'no command but serve creates a depot in a usual folder')
  await writeFile(join(system, 'depot.sqlite'), '')
  t.equal(readLocalConfig(io, [own, system]).dataFolder, system)
  t.equal(written, `The data folder is ${system}.\n`, 'a folder that the person did not name is named')
  await mkdir(own)
  await writeFile(join(own, 'depot.sqlite'), '')
  t.equal(readLocalConfig(io, [own, system]).dataFolder, own)
  const given = readLocalConfig({ ...io, env: { DEPOT_DATA: join(system, 'x') } }, [own, system])
  t.match(
    thrownBy(() => expectDepot(given, 'read')),
    { code: 'not_found', message: /^there is no depot in \S+\/x: \S+depot\.sqlite does not exist/ },
  )
})

test('commands use the settings of the depot that systemd runs, unless another one is here', async (t) => {
  const [folder, system] = [await scratchFolder(t), await scratchFolder(t)]
  const [own, file] = [join(folder, 'data'), join(folder, 'environment')]
  let written = ''
  const read = (env: NodeJS.ProcessEnv = {}) =>
    readLocalConfig({ env, stderr: { write: (text) => void (written += text) } }, [own, system], file)
  await writeFile(join(system, 'depot.sqlite'), '')
  t.match(read(), { dataFolder: system, host: '127.0.0.1' }, 'there is no file')
  await writeFile(file, `# of the service\nNODE_OPTIONS=--no-such\nDEPOT_LISTEN='0.0.0.0:80'\n`)
  t.match(read(), { dataFolder: system, host: '0.0.0.0', port: 80 })
  t.match(written, `The data folder is ${system}, with the settings in ${file}.\n`)
  t.match(read({ DEPOT_LISTEN: '127.0.0.1:81' }), { port: 81 }, 'the environment counts more')
  t.match(read({ DEPOT_DATA: folder }), { dataFolder: folder, port: 9636 })
  await writeFile(file, 'DEPOT_DATABASE_URL=postgres://depot@127.0.0.1/depot\nAWS_PROFILE=depot\n')
  await rm(join(system, 'depot.sqlite'))
  const env: NodeJS.ProcessEnv = {}
  t.match(read(env), { dataFolder: system, database: { engine: 'postgres' } })
  t.strictSame(env, { AWS_PROFILE: 'depot' }, 'the SDK finds its credentials')
  const empty = { DEPOT_DATA: '', DEPOT_DATABASE_URL: '', DEPOT_LISTEN: '' }
  t.match(read(empty), { dataFolder: system, database: { engine: 'postgres' } }, 'an empty variable is unset')
  await mkdir(own)
  await writeFile(join(own, 'depot.sqlite'), '')
  t.match(read(), { dataFolder: own, database: { engine: 'sqlite' } }, 'a depot in the first folder is meant')
})

test('a user without access gets the name of the owner and a command to run as the owner', async (t) => {
  const folder = await scratchFolder(t)
  const owned = join(folder, "their's", 'data')
  await mkdir(owned, { recursive: true })
  const config = readConfig({ DEPOT_DATA: owned })
  const uid = process.getuid?.() ?? -1
  await chmod(join(folder, "their's"), 0o700)
  await chmod(folder, 0o755)
  t.doesNotThrow(() => expectAccess(config, 'write'), 'the owner has access')
  const denial = asAnother(uid, () => thrownBy(() => expectAccess(config, 'read')))
  if (uid === 0) {
    t.match(denial, {
      code: 'forbidden',
      message:
        /their's belongs to root, and \S+ has no access to it; the data folder is \S+their's\/data\. To run as its owner: sudo -u root env 'DEPOT_DATA=\S+their'\\''s\/data' \S*node \S+/,
    })
  } else {
    await chmod(join(folder, "their's"), 0o000)
    t.match(
      thrownBy(() => expectAccess(config, 'read')),
      { code: 'forbidden', message: /their's denies access to its own user: run chmod u\+rwX '/ },
    )
    await chmod(join(folder, "their's"), 0o700)
  }
})

/** Runs `act` as a user without rights. Returns `undefined` unless the tests run as root. */
function asAnother<T>(uid: number, act: () => T): T | undefined {
  if (uid !== 0) return undefined
  process.seteuid?.(65_534)
  try {
    return act()
  } finally {
    process.seteuid?.(0)
  }
}

function thrownBy(act: () => void): unknown {
  try {
    act()
    return undefined
  } catch (error) {
    return error
  }
}
