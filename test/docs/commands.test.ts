import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import tap, { test } from 'tap'
import type { Test } from 'tap'
import { openControl } from '../../src/depot/control.ts'
import {
  CLONE,
  blocksOf,
  looseClone,
  readDocument,
  runScript,
  scriptOf,
  standIns,
} from '../support/document.ts'
import type { Outcome } from '../support/document.ts'
import { isExhaustive } from '../support/random.ts'
import { ADMIN_TOKEN, startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'

// Every command of every document, run against depots of their own: README.md in `npm test`, the others in
// `npm run test:all`. A block that cannot run here is marked in its document, in the line before its fence:
// <!-- not run: REASON -->

const DOCUMENTS = [
  'README.md',
  ...(await readdir(join(CLONE, 'docs')))
    .filter((name) => name.endsWith('.md'))
    .toSorted()
    .map((name) => `docs/${name}`),
]
/** The pages below docs/ go on from these sections of README.md. */
const BEFORE = ['Five minutes', 'Promotions, rules, undo']
/** What a page tells its reader to start the depot with. */
const SETTINGS: Readonly<Record<string, Record<string, string>>> = {
  'docs/webhooks.md': { DEPOT_WEBHOOK_NETWORKS: '127.0.0.1' },
}
const FIRST = 'http://127.0.0.1:9636'
const SECOND = 'http://127.0.0.1:9637'
const TOKEN = 'hart_…'
const SECOND_TOKEN = 'administrator-token-of-the-second-depot'
const LANGUAGES = ['sh', 'js', 'json', 'text', 'nginx', 'yaml', 'sql']
const MAX_NOT_RUN = 8

const MAX_SHOWN_LENGTH = 4_000
const HIDES = /\bcurl\b.* (-[a-zA-Z]*f[a-zA-Z]*|--fail)( |$)/

const { PATH = '' } = process.env
const programs = await standIns(tap)

/** A depot on the folder that also takes commands of the shell. */
async function serve(
  t: Test,
  folder: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<TestDepot> {
  const started = await startDepot(t, { listen: true, hasThreads: true, folder, environment })
  const control = await openControl(folder, started.depot)
  t.teardown(() => control.close())
  return started
}

/** What becomes of the blocks of a document that a reader pastes who just started a depot. */
async function follow(t: Test, document: string, path: string): Promise<Outcome> {
  const text = await readDocument(document)
  const clone = await looseClone(t)
  const { url } = await serve(t, join(clone, 'data'), SETTINGS[document])
  const hasSecond = text.includes(SECOND)
  const second = hasSecond
    ? await serve(t, join(clone, 'second'), { DEPOT_ADMIN_TOKEN: SECOND_TOKEN })
    : undefined
  // What stands in the documents, and what is meant by it here.
  const replaced = {
    [FIRST]: url,
    [SECOND]: second?.url ?? '',
    'wait=5': 'wait=1',
    'max-time 5': 'max-time 1',
  }
  const { HOME = '', TMPDIR = tmpdir() } = process.env
  const env = {
    PATH: path,
    HOME,
    TMPDIR,
    HART_DEPOT_TOKEN: ADMIN_TOKEN,
    DEPOT_LISTEN: url.slice('http://'.length),
  }
  if (document !== 'README.md') {
    const before = await runScript(
      scriptOf(await readDocument('README.md'), {
        sections: BEFORE,
        replaced: { ...replaced, [TOKEN]: ADMIN_TOKEN },
      }),
      { name: 'README.md', cwd: clone, env },
    )
    if (before.code !== 0) return before
  }
  return runScript(
    scriptOf(text, { replaced: { ...replaced, [TOKEN]: hasSecond ? SECOND_TOKEN : ADMIN_TOKEN } }),
    { name: document, cwd: clone, env },
  )
}

function succeeds(t: Test, { code, output }: Outcome): void {
  const lines = output.trimEnd().split('\n')
  t.equal(code, 0, code === 0 ? 'exit code 0' : (lines.at(-1) ?? ''), {
    output: lines.slice(-25).join('\n').slice(-MAX_SHOWN_LENGTH),
  })
}

const hasCommands = (text: string) =>
  blocksOf(text).some(({ language, notRun }) => language === 'sh' && notRun === undefined)

for (const document of DOCUMENTS) {
  if (document !== 'README.md' && !isExhaustive) continue
  const text = await readDocument(document)
  if (!hasCommands(text)) continue
  test(`the commands of ${document} work as they are written`, async (t) =>
    succeeds(t, await follow(t, document, `${PATH}:${programs}`)))
}

test('each block says what it is written in; few are not run, each for a reason', async (t) => {
  const notRun: string[] = []
  for (const document of DOCUMENTS) {
    for (const block of blocksOf(await readDocument(document))) {
      t.ok(
        LANGUAGES.includes(block.language),
        `${document}, line ${block.line}: one of ${LANGUAGES.join(', ')} after the fence`,
      )
      if (block.notRun !== undefined) notRun.push(`${document}, line ${block.line}: ${block.notRun}`)
    }
  }
  for (const told of notRun) t.comment(`not run: ${told}`)
  t.ok(notRun.length <= MAX_NOT_RUN, `at most ${MAX_NOT_RUN} blocks are not run`, { notRun })
})

test('no command hides why a depot refuses', async (t) => {
  for (const document of DOCUMENTS) {
    for (const { line, lines } of blocksOf(await readDocument(document))) {
      for (const [index, text] of lines.entries())
        t.notMatch(
          text,
          HIDES,
          `${document}, line ${line + 1 + index}: curl -sS --fail-with-body, in place of -f`,
        )
    }
  }
  t.match('curl -fsS http://127.0.0.1', HIDES)
  t.match('curl -sSf http://127.0.0.1', HIDES)
  t.match('curl -sS --fail http://127.0.0.1', HIDES)
})

test('the line of a document in which a command fails is told', async (t) => {
  const markdown =
    '# Title\n\n<!-- not run: it does harm -->\n```sh\nexit 3\n```\n\n```sh\ntrue\nls \\\n  /nowhere\n```\n'
  const { code, output } = await runScript(scriptOf(markdown), {
    name: 'docs/example.md',
    cwd: tmpdir(),
    env: { PATH },
  })
  t.equal(code, 2)
  t.match(output, /docs\/example\.md, line 1[01]: exit code 2 of: ls \/nowhere/)
  t.throws(() => blocksOf('```sh\ntrue\n'), { message: 'the block in line 1 has no end' })
})

if (isExhaustive)
  test('a machine without curl, jq and b2sum runs the tests, too', async (t) => {
    succeeds(t, await follow(t, 'docs/following.md', `${programs}:${PATH}`))
  })
