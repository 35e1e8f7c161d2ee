import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { formatBytes, formatColumns } from '../../text/columns.ts'
import { givenPath, readConfig, readTokens } from '../../config.ts'
import { DepotError } from '../../errors.ts'
import { parseDepotKey } from '../../lockfiles/depot-key.ts'
import type { DepotKey } from '../../lockfiles/depot-key.ts'
import { claimedKeyId, readLockfile } from '../../lockfiles/signed-lockfile.ts'
import type { SignedLockfile } from '../../lockfiles/signed-lockfile.ts'
import { didYouMean } from '../../text/nearest.ts'
import { isOriginName } from '../../package/ident.ts'
import { TARGETS, isTarget } from '../../package/target.ts'
import { Bundle } from '../../pull/bundle.ts'
import { expectPromotable, planPull } from '../../pull/plan-pull.ts'
import type { PullPlan } from '../../pull/plan-pull.ts'
import { pull as pullPlanned, save } from '../../pull/pull.ts'
import type { Pulled } from '../../pull/pull.ts'
import { DepotSource } from '../../pull/source.ts'
import type { ViewRequest, PullSource } from '../../pull/source.ts'
import { listLockfileKeys, whoAmI } from '../../remote/destination.ts'
import { RemoteDepot } from '../../remote/remote-depot.ts'
import { isViewName } from '../../views/view.ts'
import { expectReachable, parseHttpUrl, readTokenFile, withTempFolder } from './other-depot.ts'
import { Progress } from './progress.ts'
import { UsageError, onlyArgument, parseOptions } from '../subcommand.ts'
import type { Subcommand } from '../subcommand.ts'
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
  summary: 'copy a view of another depot, at one revision, into a running depot',
  details: [
    'SOURCE is the URL of a depot, a folder written by --save, or a lockfile with the folder harts/ beside it.',
    'Verifies the lockfile and each package before uploading, and skips what the destination already has. After an abort, run it again.',
    '--view VIEW          the view of the source to pull',
    '--into VIEW          the view to promote into; the default has the same name. It must exist',
    '--at REVISION        pull the view as it was at a revision or at a time (RFC 3339); the default is now',
    '--origin O           pull only packages of this origin and their dependencies',
    '--target T           pull only packages for this target',
    "--key FILE           the key file of the depot that signed the lockfile; by default, the destination's own and trusted keys count",
    '--exact              also remove releases that the source view does not have. Needs a lockfile of a whole view, made for a caller who sees everything',
    '--save FOLDER        write lockfile and packages to a folder, to carry them to a depot that cannot reach SOURCE',
    '--to URL             the depot to pull into; the default is the depot on DEPOT_LISTEN. It must be running',
    '--token-file FILE    a token of the source, needed for private packages; - is stdin',
    '--to-token-file FILE a token of the destination. The default is $HART_DEPOT_TOKEN',
    '--dry-run            show what would be pulled, and write nothing. Checks the rules of the view if the destination has all packages',
    '--json               print the result as JSON',
  ],
  async run(args) {
    const { values, positionals } = parse(args)
    const place = onlyArgument(positionals, 'SOURCE')
    const request = parseRequest(place, values)
    const progress = new Progress(process.stderr)
    try {
      if (values.save === undefined)
        await withTempFolder('hart-depot-pull-', async (folder) =>
          pullInto(await openSource(place, request, values, folder), values, progress),
        )
      else await saveTo(values.save, place, request, values, progress)
    } finally {
      progress.end()
    }
  },
}

/** Some items failed, so nothing was promoted. The exit code is 1. */
class PullIncomplete extends Error {
  readonly code = 'ERR_PULL_INCOMPLETE'
}

async function pullInto(source: PullSource, values: Values, progress: Progress): Promise<void> {
  const config = readConfig()
  const to = parseHttpUrl(values.to ?? urlOf(config.host, config.port))
  const token = (await readTokenFile(values['to-token-file'])) ?? readTokens().own
  const destination = new RemoteDepot({ url: to, token, pause, agent: AGENT })
  await expectReachable(destination)
  await whoAmI(destination)
  const text = await source.readLockfile()
  const trustedKeys = (await listLockfileKeys(destination)).map(parseDepotKey)
  const lockfile = verifyLockfile(text, (await readKeyFile(values.key)) ?? trustedKeys)
  if (source instanceof DepotSource) source.expectRequested(lockfile)
  if (values.origin !== undefined && lockfile.releases.length === 0)
    progress.note(`${lockfile.view} has no packages of the origin ${values.origin}`)
  const into = values.into ?? lockfile.view
  const transfer = { source, destination, reporter: progress }
  const isKeyTrusted = trustedKeys.some(({ id }) => id === lockfile.key.id)
  const plan = await planPull(transfer, { text, lockfile, into, isKeyTrusted, isExact: values.exact })
  progress.end()
  if (!values.json) console.log(planText(plan, source.place))
  if (values['dry-run']) await expectPromotable(transfer, plan)
  const pulled = values['dry-run'] ? undefined : await pullPlanned(transfer, plan)
  progress.end()
  if (values.json)
    console.log(
      JSON.stringify(
        {
          ...planJson(plan),
          pulled: pulled === undefined ? null : pulledJson(pulled),
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
      `${failures} items failed (see above): nothing ${pulled === undefined ? 'would be' : 'was'} promoted`,
    )
}

/**
 * Saves lockfile and packages to a folder. Without `--key`, trusts the key that the source presents. A pull
 * from the folder verifies the lockfile again.
 */
async function saveTo(
  folder: string,
  place: string,
  request: ViewRequest | undefined,
  values: Values,
  progress: Progress,
): Promise<void> {
  const bundle = Bundle.in(givenPath(folder))
  const source = await openSource(place, request, values, await bundle.makeSpool())
  const text = await source.readLockfile()
  const claimed = await source.readKey(claimedKeyId(text))
  const lockfile = verifyLockfile(
    text,
    (await readKeyFile(values.key)) ?? (claimed === undefined ? [] : [parseDepotKey(claimed)]),
  )
  if (source instanceof DepotSource) source.expectRequested(lockfile)
  const saved = await save({ source, reporter: progress }, { text, lockfile }, bundle)
  progress.end()
  if (values.json)
    console.log(
      JSON.stringify(
        {
          ...lockfileJson(lockfile),
          saved: { releases: saved.releases, bytes: saved.bytes },
          failed: progress.failures,
        },
        undefined,
        2,
      ),
    )
  else
    console.log(
      `Saved ${saved.releases} of ${lockfile.releases.length} releases (${formatBytes(saved.bytes)}) of ${titleOf(lockfile, source.place)}; the folder already had the others`,
    )
  if (saved.failures > 0)
    throw new PullIncomplete(
      `${saved.failures} releases could not be saved (see above): ${folder} is incomplete and has no new lockfile`,
    )
}

async function openSource(
  place: string,
  request: ViewRequest | undefined,
  values: Values,
  folder: string,
): Promise<PullSource> {
  if (request === undefined) return Bundle.open(givenPath(place))
  const depot = new RemoteDepot({
    url: parseHttpUrl(place),
    token: await readTokenFile(values['token-file']),
    pause,
    agent: AGENT,
  })
  await expectReachable(depot)
  return new DepotSource(depot, request, folder)
}

function verifyLockfile(text: string, keys: readonly DepotKey[]): SignedLockfile {
  try {
    return readLockfile(text, keys)
  } catch (error) {
    if (!(error instanceof DepotError) || error.code !== 'signer_unknown') throw error
    throw new DepotError(
      'signer_unknown',
      `${error.message}: compare the key with its operators, then pass its file with --key or make the destination trust it`,
      { cause: error },
    )
  }
}

async function readKeyFile(file: string | undefined): Promise<DepotKey[] | undefined> {
  return file === undefined ? undefined : [parseDepotKey(await readFile(givenPath(file), 'utf8'))]
}

function parse(args: string[]) {
  return parseOptions(args, OPTIONS)
}

/**
 * Returns the view to request from a depot, or `undefined` if the source is a folder, which holds one
 * lockfile.
 */
function parseRequest(place: string, values: Values): ViewRequest | undefined {
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
      '--save writes to a folder; --into, --to, --exact and --dry-run apply only to pulls into a depot',
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
        throw new UsageError(
          `--${name} applies only to the URL of a depot; ${place} is a folder or a lockfile`,
        )
    return undefined
  }
  parseHttpUrl(place)
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
  { request: { lockfile, into }, revision, origins, missing }: PullPlan,
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
  const created = origins.filter(({ isNew }) => isNew).map(({ name }) => name)
  const notes = [
    `into ${into}, which is at revision ${numberOf(revision)}`,
    ...(created.length > 0 ? [`origins to create: ${created.join(', ')}`] : []),
    ...(lockfile.skipped > 0
      ? [`skipping ${lockfile.skipped} releases that were deleted at the source`]
      : []),
    ...(lockfile.absent > 0
      ? [`${lockfile.absent} dependencies are absent from the source or invisible to the token`]
      : []),
  ]
  return `${titleOf(lockfile, place)}\n${notes.join('\n')}\n\n${formatColumns(['RELEASES', 'ALL', 'TO FETCH', 'BYTES'], rows)}`
}

function pulledText({ origins, keys, releases, bytes, promotion }: Pulled, into: string): string {
  const done = `Pulled ${origins} origins, ${keys} keys, ${releases} releases (${formatBytes(bytes)})`
  if (promotion === undefined) return `${done}; promoted nothing`
  return promotion.changed
    ? `${done}; ${into} is at revision ${promotion.revision}`
    : `${done}; ${into} already matched the lockfile, at revision ${promotion.revision}`
}

/** Returns the number of a revision, which may have the id of its depot's history: `34-9f2ab3c1d4e5f607`. */
function numberOf(revision: number | string): number {
  return Number.parseInt(String(revision), 10)
}

function lockfileJson({ view, revision, depot, key, audience, skipped, absent, releases }: SignedLockfile) {
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

function planJson({ request: { lockfile, into }, revision, origins, missing, present }: PullPlan) {
  return {
    lockfile: lockfileJson(lockfile),
    into,
    into_revision: numberOf(revision),
    new_origins: origins.filter(({ isNew }) => isNew).map(({ name }) => name),
    releases: missing.length,
    bytes: missing.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    releases_here: present,
  }
}

function pulledJson({ promotion, ...counts }: Pulled) {
  return { ...counts, revision: promotion?.revision ?? null, changed: promotion?.changed ?? false }
}
