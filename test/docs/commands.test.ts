import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import tap, { test } from 'tap'
import { blocksOf, readDocument, runScript, scriptOf, standIns } from '../support/documents/document.ts'
import { isIn, listPages } from '../support/documents/document-pages.ts'
import { follow, succeeds } from '../support/documents/follow-document.ts'
import { isExhaustive } from '../support/random.ts'

// Every command of every document, run against depots of their own: the beginning of README.md in `npm test`,
// the rest of it here and the pages below docs/ in commands-*.slow.ts, all in `npm run test:all`. A block that
// cannot run here is marked in its document, in the line before its fence: <!-- not run: REASON -->

const DOCUMENTS = ['README.md', ...(await listPages())]
const LANGUAGES = ['sh', 'js', 'json', 'text', 'nginx', 'caddy', 'yaml', 'sql']
/** The sections that `npm test` runs. Each command is a process of its own. */
const BEGINNING = ['Five minutes']
const MAX_NOT_RUN = 17

const HIDES = /\bcurl\b.* (-[a-zA-Z]*f[a-zA-Z]*|--fail)( |$)/

const { PATH = '' } = process.env
const programs = await standIns(tap)

test('the commands of README.md work as they are written', async (t) =>
  succeeds(t, await follow(t, 'README.md', `${PATH}:${programs}`, isExhaustive ? undefined : BEGINNING)))

test('the commands of each page are run in one file', async (t) => {
  const parts = (await readdir(import.meta.dirname)).flatMap((file) => {
    const [, first, last] = /^commands-([a-z])-to-([a-z])\.slow\.ts$/.exec(file) ?? []
    return first === undefined || last === undefined ? [] : [{ first, last }]
  })
  for (const page of await listPages()) t.equal(parts.filter((part) => isIn(page, part)).length, 1, page)
})

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
