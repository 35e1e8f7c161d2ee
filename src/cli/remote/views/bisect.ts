import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { DepotClient } from '../../../client/client.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { EXIT, Exit, UsageError } from '../../exit-codes.ts'
import { isInteractive, pathOf } from '../../io.ts'
import type { Io } from '../../io.ts'
import { checkMoment } from '../arguments.ts'
import { questionStreams } from '../confirm.ts'
import { connect, remoteOptions } from '../connect.ts'
import { revisionTable } from './history.ts'

type Verdict = 'good' | 'bad' | 'skip'

/**
 * The exit codes of the command mean what they mean to `git bisect run` (git-scm.com/docs/git-bisect): 125
 * skips a revision, other codes up to 127 mean bad, and higher ones stop the search.
 */
const SKIP = 125
const MAX_BAD = 127

export const bisect: Define = (command, io) =>
  remoteOptions(command)
    .argument('<view>', 'the view')
    .argument(
      '[command...]',
      'after --: exits with 0 if the revision is good, with 125 to skip it, and else with 1 to 127',
    )
    .requiredOption('--good <revision>', 'a revision or a time at which all was well')
    .requiredOption('--bad <revision>', 'a later one at which it was not')
    .addHelpText(
      'after',
      examples([
        [
          'bisect delivered --good 12 --bad 57 -- ./smoke-test.sh',
          'find the first bad revision; the command finds the view at each one in HAB_BLDR_URL',
        ],
        ['bisect delivered --good 2026-01-02T08:00:00Z --bad 57', 'try each revision by hand, and answer'],
      ]),
    )
    .action(async (view, words, { good, bad, ...options }) => {
      const [program, ...args] = words
      if (program === undefined && !isInteractive(io))
        throw new UsageError('give a command after --, because there is no terminal to ask at')
      const { depot, out, target } = connect(io, options)
      const first = await revisionOf(depot, view, checkMoment(good, '--good'))
      const last = await revisionOf(depot, view, checkMoment(bad, '--bad'))
      if (first >= last)
        throw new UsageError(`the good revision (${first}) must be earlier than the bad one (${last})`)
      const tried: { revision: number; verdict: Verdict }[] = []
      const { from, to } = await narrow(first, last, async (revision) => {
        const url = `${depot.url}/v1/depot/views/${encodeURIComponent(view)}@${revision}`
        out.note(`Revision ${revision}: ${url}`)
        const verdict =
          program === undefined
            ? await askFor(io, revision)
            : await run(io, [program, ...args], { url, token: target.token })
        out.note(`Revision ${revision} is ${verdict === 'skip' ? 'skipped' : verdict}.`)
        tried.push({ revision, verdict })
        return verdict
      })
      if (from + 1 < to)
        throw new Exit(
          EXIT.failed,
          `the first bad revision is one of ${from + 1} to ${to}, but all before ${to} were skipped`,
        )
      const found = await depot.getRevision({ view, revision: String(to) })
      out.show(
        { first_bad: found, tried },
        {
          whole: () => `Revision ${to} of ${view} is the first bad one:\n${revisionTable(out, [found])}`,
          brief: () => [String(to)],
        },
      )
    })

/**
 * Halves the range between a good and a bad revision, until no revision is left between the last good and the
 * first bad one, except skipped ones.
 */
async function narrow(
  good: number,
  bad: number,
  test: (revision: number) => Promise<Verdict>,
): Promise<{ from: number; to: number }> {
  const skipped = new Set<number>()
  let [from, to] = [good, bad]
  for (;;) {
    const revision = middleOf(from, to, skipped)
    if (revision === undefined) return { from, to }
    const verdict = await test(revision)
    if (verdict === 'good') from = revision
    else if (verdict === 'bad') to = revision
    else skipped.add(revision)
  }
}

/** Returns the revision nearest to the middle that was not skipped; `undefined` if there is none. */
function middleOf(from: number, to: number, skipped: ReadonlySet<number>): number | undefined {
  const middle = Math.floor((from + to) / 2)
  for (let distance = 0; distance <= to - from; distance += 1)
    for (const revision of [middle - distance, middle + distance])
      if (revision > from && revision < to && !skipped.has(revision)) return revision
  return undefined
}

async function revisionOf(depot: DepotClient, view: string, at: string): Promise<number> {
  return (await depot.listContent({ view, at, limit: 1 })).revision
}

/** Runs the command against a view's URL. Its output goes to stderr, because stdout is for the result. */
async function run(
  io: Io,
  [program, ...args]: readonly [string, ...string[]],
  { url, token }: { url: string; token: string | undefined },
): Promise<Verdict> {
  // A token in the environment may be that of another depot.
  const { HAB_AUTH_TOKEN: _, ...env } = io.env
  const child = spawn(program, args, {
    cwd: pathOf(io, '.'),
    env: { ...env, HAB_BLDR_URL: url, ...(token !== undefined && { HAB_AUTH_TOKEN: token }) },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: io.signal,
  })
  for (const output of [child.stdout, child.stderr])
    output.setEncoding('utf8').on('data', (text: string) => void io.stderr.write(text))
  const [code, signal] = (await once(child, 'close').catch((error: unknown) => {
    throw io.signal.aborted
      ? io.signal.reason
      : new Exit(EXIT.failed, `${program} cannot be run: ${(error as Error).message}`)
  })) as [number | null, string | null]
  if (code === 0) return 'good'
  if (code === SKIP) return 'skip'
  if (code !== null && code <= MAX_BAD) return 'bad'
  throw new Exit(
    EXIT.failed,
    `${program} ended with ${signal ?? `exit code ${code}`}, so the search has stopped`,
  )
}

async function askFor(io: Io, revision: number): Promise<Verdict> {
  const { select, isCancel } = await import('@clack/prompts')
  const answer = await select<Verdict>({
    message: `Is revision ${revision} good?`,
    options: [{ value: 'good' }, { value: 'bad' }, { value: 'skip' }],
    ...questionStreams(io),
  })
  if (isCancel(answer)) throw new Exit(EXIT.interrupted, 'the search was stopped')
  return answer
}
