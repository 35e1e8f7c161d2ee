import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { formatBytes, formatColumns } from '../text/columns.ts'
import { givenPath, readConfig, readTokens } from '../config.ts'
import { DepotError } from '../errors.ts'
import { parseDepotKey } from '../lockfiles/depot-key.ts'
import type { DepotKey } from '../lockfiles/depot-key.ts'
import { claimedKeyId, readLockfile } from '../lockfiles/signed-lockfile.ts'
import type { SignedLockfile } from '../lockfiles/signed-lockfile.ts'
import { didYouMean } from '../text/nearest.ts'
import { isOriginName } from '../package/ident.ts'
import { TARGETS, isTarget } from '../package/target.ts'
import { Bundle } from '../pull/bundle.ts'
import { expectPromotable, planPull } from '../pull/plan-pull.ts'
import type { PullPlan } from '../pull/plan-pull.ts'
import { pull as pullPlanned, save } from '../pull/pull.ts'
import type { Pulled } from '../pull/pull.ts'
import { DepotSource } from '../pull/source.ts'
import type { AskedView, PullSource } from '../pull/source.ts'
import { listLockfileKeys, whoAmI } from '../remote/destination.ts'
import { RemoteDepot } from '../remote/remote-depot.ts'
import { isViewName } from '../views/view.ts'
import { expectThere, httpUrl, tokenIn, withFolder } from './other-depot.ts'
import { Progress } from './progress.ts'
import { UsageError, onlyArgument, parseOptions } from './subcommand.ts'
import type { Subcommand } from './subcommand.ts'
import { urlOf } from './url.ts'

const OPTIONS = {
  view: { type: 'string' },
  into: { type: 'string' },
  at: { type: 'string' },
  origin: { type: 'string' },
  target: { type: 'string' },
  key: { type: 'string' },
  save: { type: 'string' },
  exact: { type: 'boolean', default: false },
  to: { type: 'string' },
  'token-file': { type: 'string' },
  'to-token-file': { type: 'string' },
  'dry-run': { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const

type Values = ReturnType<typeof parse>['values']

const AGENT = 'hab-pull (hart-depot)'

export const pull: Subcommand = {
  usage:
    'SOURCE [--view VIEW] [--into VIEW] [--at REVISION] [--origin O] [--target T] [--key FILE] [--exact] [--save FOLDER] [--to URL] [--token-file FILE] [--to-token-file FILE] [--dry-run] [--json]',
  summary: 'bring a view of another depot, at a revision, into a running one',
  details: [
    'SOURCE is the URL of a depot, a folder that --save wrote, or a lockfile with harts/ beside it.',
    'Lockfile and packages are verified before anything is offered, and what is there already is not fetched: broken off, run it again.',
    '--view VIEW          the view of a depot that is to be pulled',
    '--into VIEW          the view to promote into; that of the same name, unless said otherwise. It must be there',
    '--at REVISION        as the view was at a revision, or at a time (RFC 3339); as it is now, unless said otherwise',
    '--origin O           only packages of this origin, and what they depend on',
    '--target T           only packages for this target',
    "--key FILE           the key file of the depot that signed the lockfile; without it, the destination's own and trusted keys count",
    '--exact              what the source does not have leaves the view, too: for a lockfile of a whole view, made for who may see everything',
    '--save FOLDER        write lockfile and packages to a folder instead, to be carried to where SOURCE cannot be reached',
    '--to URL             the depot to pull into; this one (DEPOT_LISTEN), unless said otherwise. It must be running',
    '--token-file FILE    a token for the source, for what is not public; - is stdin',
    '--to-token-file FILE the token for the destination. Without it, $HART_DEPOT_TOKEN',
    '--dry-run            show what would be pulled, and write nothing. Rules of the view are asked where all packages are there already',
    '--json               print what was found and done as JSON',
  ],
  async run(args) {
    const { values, positionals } = parse(args)
    const place = onlyArgument(positionals, 'SOURCE')
    const asked = checked(place, values)
    const progress = new Progress(process.stderr)
    try {
      if (values.save === undefined)
        await withFolder('hart-depot-pull-', async (folder) =>
          pullInto(await openSource(place, asked, values, folder), values, progress),
        )
      else await saveTo(values.save, place, asked, values, progress)
    } finally {
      progress.end()
    }
  },
}

/** The pull did what it could: exit code 1. */
class PullIncomplete extends Error {
  readonly code = 'ERR_PULL_INCOMPLETE'
}

async function pullInto(source: PullSource, values: Values, progress: Progress): Promise<void> {
  const config = readConfig()
  const to = httpUrl(values.to ?? urlOf(config.host, config.port))
  const token = (await tokenIn(values['to-token-file'])) ?? readTokens().own
  const destination = new RemoteDepot({ url: to, token, pause, agent: AGENT })
  await expectThere(destination)
  await whoAmI(destination)
  const text = await source.readLockfile()
  const trustedThere = (await listLockfileKeys(destination)).map(parseDepotKey)
  const lockfile = verified(text, (await keyIn(values.key)) ?? trustedThere)
  if (source instanceof DepotSource) source.expectAsked(lockfile)
  if (values.origin !== undefined && lockfile.releases.length === 0)
    progress.note(`${lockfile.view} has nothing of the origin ${values.origin}`)
  const into = values.into ?? lockfile.view
  const ends = { source, destination, watcher: progress }
  const isTrustedThere = trustedThere.some(({ id }) => id === lockfile.key.id)
  const plan = await planPull(ends, { text, lockfile, into, isTrustedThere, isExact: values.exact })
  progress.end()
  if (!values.json) console.log(planText(plan, source.place))
  if (values['dry-run']) await expectPromotable(ends, plan)
  const pulled = values['dry-run'] ? undefined : await pullPlanned(ends, plan)
  progress.end()
  if (values.json)
    console.log(
      JSON.stringify(
        {
          ...shownPlan(plan),
          pulled: pulled === undefined ? null : shownPulled(pulled),
          failed: progress.failures,
        },
        undefined,
        2,
      ),
    )
  else if (pulled !== undefined) console.log(`\n${pulledText(pulled, into)}`)
  const failures = pulled?.failures ?? plan.failures
  if (failures > 0)
    throw new PullIncomplete(
      `${failures} stood in the way, as told above: nothing ${pulled === undefined ? 'would be' : 'was'} promoted`,
    )
}

/** With `--key`, what was saved is known to be that depot's; without it, only to be whole: who pulls from the folder verifies it anyway. */
async function saveTo(
  folder: string,
  place: string,
  asked: AskedView | undefined,
  values: Values,
  progress: Progress,
): Promise<void> {
  const bundle = Bundle.in(givenPath(folder))
  const source = await openSource(place, asked, values, await bundle.makeSpool())
  const text = await source.readLockfile()
  const claimed = await source.readKey(claimedKeyId(text))
  const lockfile = verified(
    text,
    (await keyIn(values.key)) ?? (claimed === undefined ? [] : [parseDepotKey(claimed)]),
  )
  if (source instanceof DepotSource) source.expectAsked(lockfile)
  const saved = await save({ source, watcher: progress }, { text, lockfile }, bundle)
  progress.end()
  if (values.json)
    console.log(
      JSON.stringify(
        {
          ...shownLockfile(lockfile),
          saved: { releases: saved.releases, bytes: saved.bytes },
          failed: progress.failures,
        },
        undefined,
        2,
      ),
    )
  else
    console.log(
      `Saved ${saved.releases} of ${lockfile.releases.length} releases (${formatBytes(saved.bytes)}) of ${titleOf(lockfile, source.place)}; the others were there`,
    )
  if (saved.failures > 0)
    throw new PullIncomplete(
      `${saved.failures} could not be saved, as told above: ${folder} is not whole, and has no new lockfile`,
    )
}

async function openSource(
  place: string,
  asked: AskedView | undefined,
  values: Values,
  folder: string,
): Promise<PullSource> {
  if (asked === undefined) return Bundle.open(givenPath(place))
  const depot = new RemoteDepot({
    url: httpUrl(place),
    token: await tokenIn(values['token-file']),
    pause,
    agent: AGENT,
  })
  await expectThere(depot)
  return new DepotSource(depot, asked, folder)
}

function verified(text: string, keys: readonly DepotKey[]): SignedLockfile {
  try {
    return readLockfile(text, keys)
  } catch (error) {
    if (!(error instanceof DepotError) || error.code !== 'signer_unknown') throw error
    throw new DepotError(
      'signer_unknown',
      `${error.message}: compare it with what the operators of that depot say, then give its file by --key or have the destination trust it`,
      { cause: error },
    )
  }
}

async function keyIn(file: string | undefined): Promise<DepotKey[] | undefined> {
  return file === undefined ? undefined : [parseDepotKey(await readFile(givenPath(file), 'utf8'))]
}

function parse(args: string[]) {
  return parseOptions(args, OPTIONS)
}

/** What is asked of a depot; `undefined` where the source is a folder, in which everything was decided already. */
function checked(place: string, values: Values): AskedView | undefined {
  const { view, into, at, origin, target, save: folder } = values
  for (const name of [view, into])
    if (name !== undefined && !isViewName(name))
      throw new UsageError(`${JSON.stringify(name)} is not a view's name`)
  if (values['token-file'] === '-' && values['to-token-file'] === '-')
    throw new UsageError('only one of the tokens can come from stdin')
  if (
    folder !== undefined &&
    (into !== undefined || values.to !== undefined || values['dry-run'] || values.exact)
  )
    throw new UsageError(
      '--save writes to a folder: --into, --to, --exact and --dry-run are for pulls into a depot',
    )
  if (!/^[A-Za-z][A-Za-z0-9+.-]+:/.test(place)) {
    for (const [name, value] of Object.entries({
      view,
      at,
      origin,
      target,
      'token-file': values['token-file'],
    }))
      if (value !== undefined)
        throw new UsageError(`--${name} is for a depot's URL: ${place} has one lockfile`)
    return undefined
  }
  httpUrl(place)
  if (view === undefined) throw new UsageError('--view is missing')
  if (origin !== undefined && !isOriginName(origin))
    throw new UsageError(`${JSON.stringify(origin)} is not an origin's name`)
  if (target !== undefined && !isTarget(target))
    throw new UsageError(
      `${JSON.stringify(target)} is not a target: ${TARGETS.join(', ')}${didYouMean(target, TARGETS)}`,
    )
  return {
    view,
    at,
    filter: { ...(origin !== undefined && { origin }), ...(target !== undefined && { target }) },
  }
}

function titleOf({ view, revision, key }: SignedLockfile, place: string): string {
  return `${view}@${revision} from ${place}, signed with the depot key ${key.id}`
}

function planText(
  { asked: { lockfile, into }, revision, origins, missing }: PullPlan,
  place: string,
): string {
  const rows = (
    [
      ['latest', false],
      ['dependencies', true],
    ] as const
  ).map(([what, isDependency]) => {
    const all = lockfile.releases.filter((release) => release.isDependency === isDependency)
    const fetched = missing.filter((release) => release.isDependency === isDependency)
    return [
      what,
      String(all.length),
      String(fetched.length),
      formatBytes(fetched.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)),
    ]
  })
  const made = origins.filter(({ isNew }) => isNew).map(({ name }) => name)
  const notes = [
    `into ${into}, which is at revision ${numberOf(revision)}`,
    ...(made.length > 0 ? [`origins to make: ${made.join(', ')}`] : []),
    ...(lockfile.skipped > 0
      ? [`${lockfile.skipped} releases were deleted at the source, and are left out`]
      : []),
    ...(lockfile.absent > 0
      ? [`${lockfile.absent} dependencies are not at the source, or not for who asked`]
      : []),
  ]
  return `${titleOf(lockfile, place)}\n${notes.join('\n')}\n\n${formatColumns(['RELEASES', 'ALL', 'TO FETCH', 'BYTES'], rows)}`
}

function pulledText({ origins, keys, releases, bytes, promotion }: Pulled, into: string): string {
  const done = `Pulled ${origins} origins, ${keys} keys, ${releases} releases (${formatBytes(bytes)})`
  if (promotion === undefined) return `${done}; promoted nothing`
  return promotion.changed
    ? `${done}; ${into} is at revision ${promotion.revision}`
    : `${done}; ${into} was as the lockfile says, at revision ${promotion.revision}`
}

/** Of a revision that may be marked as that of its depot's history: `34-9f2ab3c1d4e5f607`. */
function numberOf(revision: number | string): number {
  return Number.parseInt(String(revision), 10)
}

function shownLockfile({ view, revision, depot, key, audience, skipped, absent, releases }: SignedLockfile) {
  return {
    view,
    revision,
    depot: depot ?? null,
    key: key.id,
    audience,
    skipped,
    absent,
    releases: releases.length,
  }
}

function shownPlan({ asked: { lockfile, into }, revision, origins, missing, here }: PullPlan) {
  return {
    lockfile: shownLockfile(lockfile),
    into,
    into_revision: numberOf(revision),
    new_origins: origins.filter(({ isNew }) => isNew).map(({ name }) => name),
    releases: missing.length,
    bytes: missing.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    releases_here: here,
  }
}

function shownPulled({ promotion, ...counts }: Pulled) {
  return { ...counts, revision: promotion?.revision ?? null, changed: promotion?.changed ?? false }
}
