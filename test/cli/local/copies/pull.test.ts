import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { openControl } from '../../../../src/depot/control.ts'
import { ask } from '../../../support/ask.ts'
import { latestIn } from '../../../support/copies/import.ts'
import { bearer } from '../../../support/origin.ts'
import { NEWER, startDestination, startPullSource } from '../../../support/copies/pull.ts'
import { startProxy } from '../../../support/http/proxy.ts'
import { runHere, scratchFolder } from '../../../support/run-cli.ts'
import { ADMIN_TOKEN, startDepot } from '../../../support/start-depot.ts'

const HART_DEPOT_TOKEN = ADMIN_TOKEN
const { source } = await startPullSource(tap)

test('pull prints its plan and its result to stdout, and progress to stderr', async (t) => {
  const destination = await startDestination(t, source)
  const args = ['pull', source.url, '--view', 'delivered', '--to', destination.url]
  const dry = await runHere([...args, '--dry-run'], { HART_DEPOT_TOKEN })
  t.match(dry, { code: 0, stderr: 'comparing origins and keys\ncomparing releases 0 of 3\n' })
  t.match(
    dry.stdout,
    new RegExp(
      `^delivered@2 from ${source.url}, signed with the depot key [0-9a-f]{32}\ninto delivered, which is at revision 0\norigins to create: acme, tools\n\nRELEASES      ALL  TO FETCH  BYTES\nlatest        1    1         \\S+ \\w+\ndependencies  2    2         \\S+ \\w+\n$`,
    ),
  )
  t.strictSame(await latestIn(destination, 'delivered'), [])

  const tokenFile = join(await scratchFolder(t), 'token')
  await writeFile(tokenFile, `${ADMIN_TOKEN}\n`)
  const done = await runHere([...args, '--to-token-file', tokenFile, '--token-file', tokenFile])
  t.match(done, {
    code: 0,
    stdout: /\nPulled 2 origins, 2 keys, 3 releases \(.*\); delivered is at revision 1\n$/,
    stderr: /^fetching releases 0 of 3$/m,
  })
  t.notMatch(done.stdout + done.stderr, ADMIN_TOKEN)
  const again = await runHere([...args, '--json', '--exact', '--token-file', tokenFile], {
    HART_DEPOT_TOKEN,
  })
  t.match(JSON.parse(again.stdout), {
    lockfile: { view: 'delivered', revision: 2, releases: 3 },
    into: 'delivered',
    into_revision: 1,
    releases: 0,
    releases_here: 3,
    pulled: { releases: 0, revision: 1, changed: false },
    failed: [],
  })
})

test('a saved view can be pulled from its folder once the depot key is trusted', async (t) => {
  const [home, far] = [await scratchFolder(t), await scratchFolder(t)]
  const carried = join(await scratchFolder(t), 'carried')
  const key = join(carried, 'depot.key')
  const none = await runHere(['key', 'show'], { DEPOT_DATA: home })
  t.match(none, { code: 5, stderr: /there is no depot in/ })
  const saved = await runHere(['pull', source.url, '--view', 'delivered', '--save', carried])
  t.match(saved, {
    code: 0,
    stdout:
      /^Saved 3 of 3 releases \(.*\) of delivered@2 from http:.*, signed with the depot key [0-9a-f]{32}\n$/,
  })
  const shown = await runHere(['key', 'show'], { DEPOT_DATA: source.folder })
  t.equal(shown.stdout, await readFile(key, 'utf8'))

  const server = await startDepot(t, { listen: true, folder: far })
  const control = await openControl(far, server.depot)
  t.teardown(() => control.close())
  const args = ['pull', carried, '--into', 'acceptance', '--to', server.url]
  t.match(await runHere(args, { HART_DEPOT_TOKEN }), {
    code: 1,
    stderr:
      /^hart-depot: the lockfile is signed with the depot key [0-9a-f]{32}, which is not trusted here: .*\n$/,
  })
  t.match(await runHere(['key', 'trust', 'home', key], { DEPOT_DATA: far }), {
    code: 0,
    stdout: /^trusting the depot key [0-9a-f]{32} as home\n$/,
  })
  t.match(await runHere(args, { HART_DEPOT_TOKEN }), { code: 0, stdout: /; acceptance is at revision 1\n$/ })
  t.match(await runHere([...args, '--key', key, '--dry-run'], { HART_DEPOT_TOKEN }), { code: 0 })
  const history = await ask(`${server.url}/api/v1/views/acceptance/history?format=text`, {
    headers: bearer(),
  })
  t.match(history.text, /pull of delivered@2 from the depot with the key [0-9a-f]{32}, as files/)
})

test('an item that cannot be pulled is reported, prevents the promotion and gives exit code 1', async (t) => {
  const destination = await startDestination(t, source)
  const broken = await startProxy(t, source.url, (what) =>
    what.includes(`${NEWER}/download`) ? { status: 404 } : 'pass',
  )
  const ended = await runHere(['pull', broken.url, '--view', 'delivered', '--to', destination.url], {
    HART_DEPOT_TOKEN,
  })
  t.match(ended, { code: 1, stdout: /Pulled 2 origins, 2 keys, 2 releases \(.*\); promoted nothing\n$/ })
  t.match(
    ended.stderr,
    /^failed: acme\/app\/.* answer(s|ed) 404\n[^]*hart-depot: 1 item failed .*: nothing was promoted\n$/m,
  )
  t.match(
    await runHere(['pull', source.url, '--view', 'delivered', '--to', 'http://127.0.0.1:9'], {
      HART_DEPOT_TOKEN,
    }),
    { code: 7, stderr: /^hart-depot: no depot answers at http:\/\/127\.0\.0\.1:9\/v1/ },
  )
})

test('wrong arguments are refused before any request is sent', async (t) => {
  const url = 'http://127.0.0.1:9'
  for (const [args, message] of [
    [[], "missing required argument 'source'"],
    [[url], '--view is missing'],
    [['ftp://127.0.0.1', '--view', 'x'], '"ftp://127.0.0.1" is not a URL such as https://bldr.habitat.sh'],
    [
      ['http://ci:secret@127.0.0.1:9', '--view', 'x'],
      'the URL contains a token, which every process can see: put the token into a file',
    ],
    [[url, '--view', '../x'], '"../x" is not a view\'s name'],
    [[url, '--view', 'x', '--into', 'a b'], '"a b" is not a view\'s name'],
    [[url, '--view', 'x', '--origin', 'Acme'], '"Acme" is not an origin\'s name'],
    [
      [url, '--view', 'x', '--save', 'folder', '--into', 'y'],
      '--save writes to a folder; --into, --to, --exact and --dry-run apply only to pulls into a depot',
    ],
    [['folder', '--at', '12'], '--at applies only to the URL of a depot; folder is a folder or a lockfile'],
    [
      [url, '--view', 'x', '--token-file', '-', '--to-token-file', '-'],
      'only one of the tokens can come from stdin',
    ],
  ] as const) {
    t.match(await runHere(['pull', ...args]), {
      code: 2,
      stderr: `hart-depot: ${message}; see hart-depot pull --help\n`,
    })
  }
})
