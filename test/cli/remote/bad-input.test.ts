import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import tap, { test } from 'tap'
import type { Test } from 'tap'
import { DepotClient } from '../../../src/client/client.ts'
import { MAX_KEPT_LAST, MAX_PERIOD_MS, MAX_VIEWS_OF_RULE } from '../../../src/views/retention-rule.ts'
import { buildHart } from '../../support/build-hart.ts'
import { commandsOn, runCommand } from '../../support/command.ts'
import { makeOrigin, publishAll } from '../../support/origin.ts'
import { ADMIN_TOKEN, START, startDepot } from '../../support/start-depot.ts'

const IDENT = 'acme/app/1.0.0/20260101120000'
const started = await startDepot(tap, { listen: true })
await makeOrigin(started)
await publishAll(started, IDENT)
const run = commandsOn(started)
const folder = await mkdtemp(join(tmpdir(), 'hart-depot-bad-input-'))
tap.teardown(() => rm(folder, { recursive: true, force: true }))

async function serve(t: Test, answer: RequestListener): Promise<string> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const PROBLEM = { 'content-type': 'application/problem+json' }
const STRANGERS: Readonly<Record<string, readonly [RequestListener, RegExp]>> = {
  'a web page': [
    (_, answer) => answer.end('<html>Welcome'),
    /did not answer with JSON, so it is not a hart-depot/,
  ],
  'a Builder': [
    ({ url = '' }, answer) =>
      url.startsWith('/v1/')
        ? answer.end('{}')
        : answer.writeHead(404, { 'content-type': 'text/html' }).end(),
    /answered 404, and not as a hart-depot does/,
  ],
  'other JSON': [
    (_, answer) => answer.end('{"hello":"world"}'),
    /other JSON than a hart-depot does: \w+ is missing/,
  ],
  'a single sign-on': [
    (_, answer) => answer.writeHead(302, { location: 'https://sso.example/' }).end(),
    /points to https:\/\/sso\.example\/; give the address of the depot itself/,
  ],
  'an older depot': [
    ({ method, url = '' }, answer) =>
      answer.writeHead(404, PROBLEM).end(
        JSON.stringify({
          status: 404,
          code: 'not_found',
          detail: `there is nothing at ${method} ${url.split('?')[0]}`,
        }),
      ),
    /does not know \w+ \/api\/v1\/\S+: it is an older hart-depot than this program needs/,
  ],
}

for (const [name, [answer, sentence]] of Object.entries(STRANGERS)) {
  test(`${name} is no depot, which each command says in a sentence`, async (t) => {
    const env = { HART_DEPOT_URL: await serve(t, answer), HART_DEPOT_TOKEN: ADMIN_TOKEN, HOME: folder }
    for (const args of [
      ['whoami'],
      ['views'],
      ['promote', 'union', IDENT],
      ['why', IDENT],
      ['webhook', 'list'],
    ])
      t.match(await runCommand(args, { env }), { code: 7, stdout: '', stderr: sentence }, args.join(' '))
  })
}

test('a real depot answers an operation that it does not know as the client expects', async (t) => {
  class Later extends DepotClient {
    async ask(path: string): Promise<unknown> {
      return this.call({ method: 'DELETE', path })
    }
  }
  const later = new Later({ url: started.url, token: ADMIN_TOKEN })
  t.teardown(async () => later.close())
  for (const path of ['/api/v1/later', '/api/v1/whoami'])
    await t.rejects(later.ask(path), { name: 'NotADepot', message: /older hart-depot/ })
})

test('servers of other protocols, closed ports and unknown hosts are told apart', async (t) => {
  const mail = createTcpServer((socket) => socket.end('220 mail.example ESMTP\r\n'))
  await new Promise<void>((resolve) => mail.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => void mail.close())
  const host = `127.0.0.1:${(mail.address() as AddressInfo).port}`
  for (const [url, code, sentence] of [
    [`http://${host}`, 7, /does not speak HTTP/],
    [`https://${host}`, 7, /does not speak TLS/],
    ['http://127.0.0.1:9', 7, /nothing listens there/],
    ['ftp://depot.example', 2, /must begin with http/],
    ['http://jane:secret@depot.example', 2, /must not contain a name or a password/],
  ] as const)
    t.match(
      await runCommand(['views', '--url', url], { env: {} }),
      { code, stdout: '', stderr: sentence },
      url,
    )
})

test('a wrong, an expired and a revoked token are refused with what to do', async (t) => {
  const { stdout: short } = await run(['token', 'add', '--expires', '1h', '--quiet'])
  const { stdout: gone } = await run(['token', 'add', '--label', 'gone', '--json'])
  const { id, secret } = JSON.parse(gone) as { id: number; secret: string }
  await run(['token', 'revoke', String(id)])
  started.setClock(START + 7_200_000)
  for (const token of ['nonsense', short.trim(), secret])
    t.match(await commandsOn(started, token)(['promote', 'union', IDENT]), {
      code: 6,
      stdout: '',
      stderr: /^hart-depot: .*\. The token came from HART_DEPOT_TOKEN: set it to a valid one\n$/,
    })
})

test('half a package is not uploaded, and the sentence names the file', async (t) => {
  const { bytes } = buildHart({ ident: 'acme/half/1.0.0/20260101120000' })
  const file = join(folder, 'half.hart')
  for (const [size, sentence] of [
    [bytes.length - 20, /half\.hart was not uploaded: .*signed other bytes/],
    [10, /half\.hart was not uploaded: .*not a hart file/],
    [0, /half\.hart was not uploaded: .*not a hart file/],
  ] as const) {
    await writeFile(file, bytes.subarray(0, size))
    t.match(await run(['upload', file]), { code: 1, stdout: '', stderr: sentence }, `${size} bytes`)
  }
  t.match(await run(['show', 'acme/half/1.0.0/20260101120000']), { code: 5 })
})

test('a disk that fills during a download is named, and no file appears', async (t) => {
  const file = join(folder, 'app.hart')
  await symlink('/dev/full', `${file}.part`) // every write to it fails as on a full disk
  const { code, stdout, stderr } = await run(['download', IDENT, file])
  t.match({ code, stdout }, { code: 1, stdout: '' })
  t.match(stderr, /^hart-depot: there is no space left for /)
  t.notOk((await readdir(folder)).includes('app.hart'))
})

test('Ctrl-C ends a command with 130 and without a word, and leaves nothing half done', async (t) => {
  const signal = AbortSignal.abort('SIGINT')
  const file = join(folder, 'other.hart')
  await writeFile(file, buildHart({ ident: 'acme/other/1.0.0/20260101120000' }).bytes)
  for (const args of [
    ['upload', file],
    ['download', IDENT, join(folder, 'stopped.hart')],
    ['wait', IDENT, 'union'],
    ['events', '--follow'],
  ])
    t.match(await run(args, { signal }), { code: 130, stdout: '', stderr: '' }, args.join(' '))
  t.match(await run(['show', 'acme/other/1.0.0/20260101120000']), { code: 5 })
  t.notOk((await readdir(folder)).includes('stopped.hart'))
})

test('a malformed ident is a wrong argument, and refusals name arguments, not JSON pointers', async (t) => {
  for (const args of [
    ['promote', 'union', 'acme/app'],
    ['demote', 'union', 'acme/app'],
    ['plan', 'promote', 'union', 'acme/app'],
    ['change', 'record', 'acme/app/1', '--project', 'acme/app', '--change', '4f1c9f1d4cfd'],
    ['where', 'acme/app'],
    ['yank', 'acme/app', '--reason', 'it crashes'],
  ])
    t.match(
      await run(args),
      { code: 2, stdout: '', stderr: /^hart-depot: "acme\/app.*" is not an ident: .*--help\n$/ },
      args.join(' '),
    )
  for (const [args, sentence] of [
    [['freeze', 'union', '--reason', ''], /^hart-depot: reason: must have at least 1 character\n$/],
    [['view', 'create', '#'], /^hart-depot: name: /],
    [['origin', 'add-member', 'acme', 'admin', '--role', 'king'], /^hart-depot: role: must be/],
  ] as const)
    t.match(await run(args), { code: 1, stdout: '', stderr: sentence }, args.join(' '))
})

test('a misspelt view gets a hint, and Ctrl-C at a question changes nothing', async (t) => {
  for (const args of [
    ['view', 'deliverd'],
    ['promote', 'deliverd', IDENT],
    ['history', 'deliverd'],
  ])
    t.match(await run(args), {
      code: 5,
      stdout: '',
      stderr: 'hart-depot: there is no view "deliverd"; did you mean delivered?\n',
    })
  t.match(await run(['promote', 'delivered', IDENT], { typed: '\u0003' }), {
    code: 130,
    stdout: '',
    stderr: /hart-depot: nothing was changed\n$/,
  })
  t.match(await run(['view', 'delivered', '--json']), { stdout: /"revision": 0/ })
})

test('tables fit a terminal of 60 columns', async (t) => {
  await run(['promote', 'acceptance', IDENT, '--reason', 'a rather long reason that people write '.repeat(3)])
  await run([
    'token',
    'add',
    '--label',
    'a label of some length',
    '--view',
    'acceptance,union,rehearsal',
    '--expires',
    '90d',
  ])
  for (const args of [
    ['views'],
    ['view', 'acceptance'],
    ['history', 'acceptance'],
    ['diff', 'acceptance', 'union'],
    ['events'],
    ['where', IDENT],
    ['token', 'list'],
    ['account', 'list'],
    ['origin', 'list'],
    ['key', 'list', 'acme'],
    ['webhook', 'list'],
  ]) {
    const { code, stdout } = await run(args, { columns: 60 })
    t.equal(code, 0, args.join(' '))
    const wide = stripVTControlCharacters(stdout)
      .split('\n')
      .filter((line) => line.length > 60 && line.includes('  ')) // sentences may wrap
    t.strictSame(wide, [], args.join(' '))
  }
})

test('an unknown plan, token or moment is answered with what to do next', async (t) => {
  t.match(await run(['approve', '5', '--yes']), { code: 5, stderr: /hart-depot proposals lists/ })
  t.match(await run(['token', 'revoke', '99']), { code: 5, stderr: /hart-depot token list/ })
  t.match(await run(['view', 'union@yesterday']), {
    code: 5,
    stderr: /If yesterday is a moment of union, .*union@41, or union@2026-01-02T08:00:00Z/,
  })
  for (const args of [
    ['promote', 'union', '--from', 'acceptance@yesterday'],
    ['diff', 'union', 'acceptance@x'],
  ])
    t.match(
      await run(args),
      { code: 5, stderr: /is a moment of acceptance, .*acceptance@41/ },
      args.join(' '),
    )
  t.match(await run(['view', 'nowhere']), { code: 5, stderr: /nowhere/ })
})

test('retention set tells its limits by the names of its options', async (t) => {
  for (const [option, value, text] of [
    ['--keep-last', `${MAX_KEPT_LAST + 1}`, '--keep-last must be from 1 to 1000'],
    ['--newer-than', '3651d', '--newer-than must be from 1s to 3650d'],
    [
      '--promoted-to',
      Array.from({ length: MAX_VIEWS_OF_RULE + 1 }, (_, n) => `v${n}`).join(),
      'at most 20 views',
    ],
  ] as const)
    t.match(await run(['retention', 'set', '--origin', 'acme', option, value]), {
      code: 2,
      stderr: new RegExp(text),
    })
  const most = ['--keep-last', `${MAX_KEPT_LAST}`, '--newer-than', `${MAX_PERIOD_MS / 86_400_000}d`]
  t.match(await run(['retention', 'set', '--origin', 'acme', ...most]), { code: 0 })
  t.match(await run(['retention', 'unset', '--origin', 'acme']), { code: 0 })
})
