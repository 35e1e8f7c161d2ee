import { join } from 'node:path'
import { tmpdir } from 'node:os'
import type { Test } from 'tap'
import { openControl } from '../../../src/depot/control.ts'
import { looseClone, readDocument, runScript, scriptOf } from './document.ts'
import type { Outcome } from './document.ts'
import { isExhaustive } from '../random.ts'
import { ADMIN_TOKEN, startDepot } from '../start-depot.ts'
import type { TestDepot } from '../start-depot.ts'

// Follows a document as a reader does who has just started a depot.

/** The pages below docs/ go on from these sections of README.md. */
const BEFORE = ['Five minutes', 'Promotions and undo']
/** What a page tells its reader to start the depot with. */
const SETTINGS: Readonly<Record<string, Record<string, string>>> = {
  'docs/sign-in.md': { DEPOT_OIDC_ISSUER: 'https://login.example', DEPOT_OIDC_CLIENT_ID: 'hart-depot' },
  'docs/webhooks.md': { DEPOT_WEBHOOK_NETWORKS: '127.0.0.1' },
}
const FIRST = 'http://127.0.0.1:9636'
const SECOND = 'http://127.0.0.1:9637'
const TOKEN = 'hart_…'
const SECOND_TOKEN = 'administrator-token-of-the-second-depot'
const MAX_SHOWN_LENGTH = 4_000

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

/** Runs the commands of a document, or of some of its sections, against a depot that was just started. */
export async function follow(
  t: Test,
  document: string,
  path: string,
  sections?: readonly string[],
): Promise<Outcome> {
  const text = await readDocument(document)
  const clone = await looseClone(t)
  const { url } = await serve(t, join(clone, 'data'), SETTINGS[document])
  const hasSecond = text.includes(SECOND)
  const second = hasSecond
    ? await serve(t, join(clone, 'second'), { DEPOT_ADMIN_TOKEN: SECOND_TOKEN })
    : undefined
  // Parts of the documents, and what replaces them here.
  const replaced = {
    [FIRST]: url,
    [SECOND]: second?.url ?? '',
    'wait=5': 'wait=1',
    'max-time 5': 'max-time 1',
    // npm starts the same program, and takes several times as long.
    ...(!isExhaustive && { 'npm run --silent hart-depot --': 'command hart-depot' }),
  }
  const { HOME = '', TMPDIR = tmpdir() } = process.env
  const env = {
    PATH: path,
    HOME,
    TMPDIR,
    XDG_CONFIG_HOME: clone,
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
    scriptOf(text, { sections, replaced: { ...replaced, [TOKEN]: hasSecond ? SECOND_TOKEN : ADMIN_TOKEN } }),
    { name: document, cwd: clone, env },
  )
}

export function succeeds(t: Test, { code, output }: Outcome): void {
  const lines = output.trimEnd().split('\n')
  t.equal(code, 0, code === 0 ? 'exit code 0' : (lines.at(-1) ?? ''), {
    output: lines.slice(-25).join('\n').slice(-MAX_SHOWN_LENGTH),
  })
}
