import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { Progress } from '../../../../src/cli/local/progress.ts'
import { membersOf } from '../../../support/copies/import.ts'
import { startSource } from '../../../support/copies/import-source.ts'
import { runHere, scratchFolder } from '../../../support/run-cli.ts'
import { ADMIN_TOKEN, startDepot } from '../../../support/start-depot.ts'

const HART_DEPOT_TOKEN = ADMIN_TOKEN

test('import-builder prints its plan and its result to stdout, and progress to stderr', async (t) => {
  const { source } = await startSource(t)
  const destination = await startDepot(t, { listen: true })
  const args = [
    'import-builder',
    source.url,
    '--to',
    destination.url,
    '--origin',
    'acme',
    '--origin',
    'tools',
  ]
  const dry = await runHere([...args, '--dry-run'], { HART_DEPOT_TOKEN })
  t.match(dry, { code: 0, stderr: 'comparing packages of acme\ncomparing packages of tools\n' })
  t.match(dry.stdout, /^acme \(new\) +1 \(0 present\) +4 \(0 present\) +\d+\.\d KiB$/m)
  t.match(dry.stdout, /^acme +nightly \(new\) +1 \(0 present\)$/m)
  t.strictSame(await membersOf(destination, 'unstable'), [])

  const tokenFile = join(await scratchFolder(t), 'token')
  await writeFile(tokenFile, `${ADMIN_TOKEN}\n`)
  const done = await runHere([...args, '--to-token-file', tokenFile, '--token-file', tokenFile])
  t.match(done, {
    code: 0,
    stdout: /^Copied 2 origins, 2 keys, 5 releases \(.*\), 3 channels; promoted 6 members$/m,
  })
  t.match(done.stderr, /^copying releases 0 of 5$/m)
  t.notMatch(done.stdout + done.stderr, ADMIN_TOKEN)

  const again = await runHere([...args, '--json'], { HART_DEPOT_TOKEN })
  t.match(JSON.parse(again.stdout), {
    plan: [
      {
        origin: 'acme',
        is_new: false,
        keys: 0,
        keys_here: 1,
        releases: 0,
        releases_here: 4,
        channels: { length: 3 },
      },
      { origin: 'tools' },
    ],
    copied: { releases: 0, members: 0 },
    failed: [],
  })
})

test('an item that cannot be copied is reported and gives exit code 1', async (t) => {
  const { source } = await startSource(t)
  const destination = await startDepot(t, { listen: true })
  const ended = await runHere(
    ['import-builder', source.url, '--to', destination.url, '--origin', 'nobody', '--origin', 'tools'],
    { HART_DEPOT_TOKEN },
  )
  t.match(ended, { code: 1, stdout: /^Copied 1 origin, /m })
  t.match(ended.stderr, /^failed: the origin nobody: .* has no such origin$/m)
  t.match(ended.stderr, /\nhart-depot: 1 item could not be copied .*\n$/)
  const alone = await runHere(['import-builder', source.url, '--to', destination.url, '--origin', 'nobody'], {
    HART_DEPOT_TOKEN,
  })
  t.match(alone, { code: 1, stdout: /\nNothing was changed\.\n$/ })
})

test('an unreachable depot and a missing token are reported in one line', async (t) => {
  const destination = await startDepot(t, { listen: true })
  const { url } = await startDepot(t, { listen: true })
  const [gone, anonymous] = await Promise.all([
    runHere(['import-builder', url, '--origin', 'acme', '--to', 'http://127.0.0.1:9']),
    runHere(['import-builder', url, '--origin', 'acme', '--to', destination.url]),
  ])
  t.match(gone, {
    code: 7,
    stderr: /^hart-depot: no depot answers at http:\/\/127\.0\.0\.1:9\/v1: .*\n$/,
  })
  t.match(anonymous, {
    code: 6,
    stderr: /^hart-depot: GET .*\/api\/v1\/whoami answered 401: this request needs a token\n$/,
  })
})

test('wrong arguments are refused before any request is sent', async (t) => {
  const url = 'http://127.0.0.1:9'
  for (const [args, message] of [
    [[], "missing required argument 'url'"],
    [['builder', '--origin', 'acme'], '"builder" is not a URL such as https://bldr.habitat.sh'],
    [
      ['http://ci:secret@127.0.0.1:9', '--origin', 'acme'],
      'the URL contains a token, which every process can see: put the token into a file',
    ],
    [[url], '--origin is missing'],
    [[url, '--origin', 'Acme'], '"Acme" is not an origin\'s name'],
    [[url, '--origin', 'acme', '--channel', '../x'], '"../x" is not a channel\'s name'],
    [
      [url, '--origin', 'acme', '--token-file', '-', '--to-token-file', '-'],
      'only one of the tokens can come from stdin',
    ],
    [
      [url, '--origin', 'acme', '--token-file', '/dev/null'],
      'there is no token in /dev/null: it must contain one word',
    ],
  ] as const) {
    t.match(await runHere(['import-builder', ...args]), {
      code: 2,
      stderr: `hart-depot: ${message}; see hart-depot import-builder --help\n`,
    })
  }
})

test('on a terminal, progress overwrites one line and failures stay', async (t) => {
  const written: string[] = []
  const progress = new Progress({ isTTY: true, write: (text) => written.push(text) })
  progress.begin('copying releases', 2)
  progress.advance()
  progress.fail('acme/app', 'it is \u001B[31mred')
  progress.note('acme has no channel dev')
  progress.advance()
  progress.end()
  t.equal(
    written.join(''),
    [
      '\rcopying releases 0 of 2\u001B[K',
      '\rcopying releases 1 of 2\u001B[K',
      '\r\u001B[K',
      'failed: acme/app: it is ?[31mred\n',
      '\rcopying releases 1 of 2\u001B[K',
      '\r\u001B[K',
      'note: acme has no channel dev\n',
      '\rcopying releases 1 of 2\u001B[K',
      '\rcopying releases 2 of 2\u001B[K',
      '\r\u001B[K',
    ].join(''),
  )
  t.strictSame(progress.notes, ['acme has no channel dev'])
})

test('without a terminal, progress is a line for every hundredth item', async (t) => {
  const written: string[] = []
  const progress = new Progress({ write: (text) => written.push(text) })
  progress.begin('copying releases', 250)
  for (let done = 0; done < 250; done += 1) progress.advance()
  t.strictSame(written, [
    'copying releases 0 of 250\n',
    'copying releases 100 of 250\n',
    'copying releases 200 of 250\n',
  ])
})
