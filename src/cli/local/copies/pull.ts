import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { formatBytes, formatColumns } from '../../../text/columns.ts'
import { readTokens } from '../../../config/client-tokens.ts'
import { readConfig } from '../../../config/config.ts'
import { DepotError } from '../../../errors.ts'
import { parseDepotKey } from '../../../lockfiles/depot-key.ts'
import type { DepotKey } from '../../../lockfiles/depot-key.ts'
import { claimedKeyId, readLockfile } from '../../../lockfiles/signed-lockfile.ts'
import type { SignedLockfile } from '../../../lockfiles/signed-lockfile.ts'
import { counted } from '../../../text/counted.ts'
import { didYouMean } from '../../../text/nearest.ts'
import { isOriginName } from '../../../package/ident.ts'
import { TARGETS, isTarget } from '../../../package/target.ts'
import { Bundle } from '../../../pull/bundle.ts'
import { expectPromotable, planPull } from '../../../pull/plan-pull.ts'
import type { PullPlan } from '../../../pull/plan-pull.ts'
import { pull as pullPlanned, save } from '../../../pull/pull.ts'
import type { Pulled } from '../../../pull/pull.ts'
import { DepotSource } from '../../../pull/source.ts'
import type { ViewRequest, PullSource } from '../../../pull/source.ts'
import { listLockfileKeys, whoAmI } from '../../../remote/destination.ts'
import { RemoteDepot } from '../../../remote/remote-depot.ts'
import { isViewName } from '../../../views/view.ts'
import {
  expectOneStdin,
  expectReachable,
  parseHttpUrl,
  readTokenFile,
  withTempFolder,
} from '../other-depot.ts'
import { Progress } from '../progress.ts'
import type { Command } from '@commander-js/extra-typings'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { EXIT, Exit, UsageError } from '../../exit-codes.ts'
import { pathOf } from '../../io.ts'
import type { Io } from '../../io.ts'
import { Output, outputOptions } from '../../output.ts'
import { urlOf } from '../url.ts'

const AGENT = 'hab-pull (hart-depot)'

export const pull: Define = (command, io) =>
  pullOptions(command)
    .addHelpText(
      'after',
      `${examples([
        ['pull https://depot.example --view delivered --dry-run', 'show what a view of another depot has'],
        ['pull https://depot.example --view delivered --save /media/disk', 'carry a view by hand'],
      ])}

Verifies the lockfile and each package before uploading, and skips what the destination already has. After an abort, run it again.`,
    )
    .action(async (place, values) => {
      const request = parseRequest(place, values)
      const progress = new Progress(io.stderr)
      const out = new Output(io, values)
      const session = { io, out, values, progress }
      try {
        if (values.save === undefined)
          await withTempFolder('hart-depot-pull-', async (folder) =>
            pullInto(await openSource(place, request, session, folder), session),
          )
        else await saveTo(values.save, place, request, session)
      } finally {
        progress.end()
      }
    })

function pullOptions(command: Command) {
  return outputOptions(command)
    .argument(
      '<source>',
      'the URL of a depot, a folder of --save, or a lockfile with the folder harts/ beside it',
    )
    .option('--view <view>', 'the view of the source to pull')
    .option('--into <view>', 'the view to promote into, which must exist; the default has the same name')
    .option(
      '--at <revision>',
      'pull the view as it was at a revision or at a time (RFC 3339); the default is now',
    )
    .option('--origin <origin>', 'pull only packages of this origin and their dependencies')
    .option('--target <target>', 'pull only packages for this target')
    .option(
      '--key <file>',
      "the key file of the depot that signed the lockfile; by default, the destination's own and trusted keys count",
    )
    .option(
      '--exact',
      'also remove releases that the source view does not have. Needs a lockfile of a whole view, made for a caller who sees everything',
    )
    .option(
      '--save <folder>',
      'write lockfile and packages to a folder, for a depot that cannot reach the source',
    )
    .option('--to <url>', 'the running depot to pull into; the default is that on DEPOT_LISTEN')
    .option('--token-file <file>', 'a token of the source, needed for private packages; - is stdin')
    .option('--to-token-file <file>', 'a token of the destination. The default is HART_DEPOT_TOKEN')
    .option(
      '--dry-run',
      'show what would be pulled, and write nothing. Checks the gates of the view if the destination has all packages',
    )
}

type Values = ReturnType<ReturnType<typeof pullOptions>['opts']>

/** What one run of the command works with. */
interface Session {
  readonly io: Io
  readonly out: Output
  readonly values: Values
  readonly progress: Progress
}

async function pullInto(source: PullSource, { io, out, values, progress }: Session): Promise<void> {
  const config = readConfig(io.env)
  const to = parseHttpUrl(values.to ?? urlOf(config.host, config.port))
  const token = (await readTokenFile(io, values.toTokenFile)) ?? readTokens(io.env).hartDepot
  const destination = new RemoteDepot({ url: to, token, pause, agent: AGENT })
  await expectReachable(destination)
  await whoAmI(destination)
  const text = await source.readLockfile()
  const trustedKeys = (await listLockfileKeys(destination)).map(parseDepotKey)
  const lockfile = verifyLockfile(text, (await readKeyFile(io, values.key)) ?? trustedKeys)
  if (source instanceof DepotSource) source.expectRequested(lockfile)
  if (values.origin !== undefined && lockfile.releases.length === 0)
    progress.note(`${lockfile.view} has no packages of the origin ${values.origin}`)
  const into = values.into ?? lockfile.view
  const transfer = { source, destination, reporter: progress }
  const isKeyTrusted = trustedKeys.some(({ id }) => id === lockfile.key.id)
  const plan = await planPull(transfer, {
    text,
    lockfile,
    into,
    isKeyTrusted,
    isExact: values.exact === true,
  })
  progress.end()
  out.print(planText(plan, source.place))
  if (values.dryRun === true) await expectPromotable(transfer, plan)
  const pulled = values.dryRun === true ? undefined : await pullPlanned(transfer, plan)
  progress.end()
  out.show(
    {
      ...planJson(plan),
      pulled: pulled === undefined ? null : pulledJson(pulled),
      failed: progress.failures,
    },
    { whole: () => (pulled === undefined ? '' : `\n${pulledText(pulled, into)}`) },
  )
  const failures = pulled?.failures ?? plan.failures
  if (failures > 0)
    throw new Exit(
      EXIT.failed,
      `${counted(failures, 'item')} failed (see above): nothing ${pulled === undefined ? 'would be' : 'was'} promoted`,
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
  session: Session,
): Promise<void> {
  const { io, out, values, progress } = session
  const bundle = Bundle.in(pathOf(io, folder))
  const source = await openSource(place, request, session, await bundle.makeSpool())
  const text = await source.readLockfile()
  const claimed = await source.readKey(claimedKeyId(text))
  const lockfile = verifyLockfile(
    text,
    (await readKeyFile(io, values.key)) ?? (claimed === undefined ? [] : [parseDepotKey(claimed)]),
  )
  if (source instanceof DepotSource) source.expectRequested(lockfile)
  const saved = await save({ source, reporter: progress }, { text, lockfile }, bundle)
  progress.end()
  out.show(
    {
      ...lockfileJson(lockfile),
      saved: { releases: saved.releases, bytes: saved.bytes },
      failed: progress.failures,
    },
    {
      whole: () =>
        `Saved ${saved.releases} of ${counted(lockfile.releases.length, 'release')} (${formatBytes(saved.bytes)}) of ${titleOf(lockfile, source.place)}${saved.failures === 0 && saved.releases < lockfile.releases.length ? '; the folder already had the others' : ''}`,
    },
  )
  if (saved.failures > 0)
    throw new Exit(
      EXIT.failed,
      `${counted(saved.failures, 'release')} could not be saved (see above): ${folder} is incomplete and has no new lockfile`,
    )
}

async function openSource(
  place: string,
  request: ViewRequest | undefined,
  { io, values }: Session,
  folder: string,
): Promise<PullSource> {
  if (request === undefined) return Bundle.open(pathOf(io, place))
  const depot = new RemoteDepot({
    url: parseHttpUrl(place),
    token: await readTokenFile(io, values.tokenFile),
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
      `${error.message}: ask the operators of the source whether the key is theirs, then pass its file with --key or make the destination trust it`,
      { cause: error },
    )
  }
}

async function readKeyFile(io: Io, file: string | undefined): Promise<DepotKey[] | undefined> {
  return file === undefined ? undefined : [parseDepotKey(await readFile(pathOf(io, file), 'utf8'))]
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
  expectOneStdin(values.tokenFile, values.toTokenFile)
  if (
    folder !== undefined &&
    [into, values.to, values.dryRun, values.exact].some((value) => value !== undefined)
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
      'token-file': values.tokenFile,
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
      ? [`skipping ${counted(lockfile.skipped, 'release')} deleted at the source`]
      : []),
    ...(lockfile.absent > 0
      ? [
          `absent from the source or invisible to the token: ${counted(lockfile.absent, 'dependency', 'dependencies')}`,
        ]
      : []),
  ]
  return `${titleOf(lockfile, place)}\n${notes.join('\n')}\n\n${formatColumns(['RELEASES', 'ALL', 'TO FETCH', 'BYTES'], rows)}`
}

function pulledText({ origins, keys, releases, bytes, promotion }: Pulled, into: string): string {
  const done = `Pulled ${counted(origins, 'origin')}, ${counted(keys, 'key')}, ${counted(releases, 'release')} (${formatBytes(bytes)})`
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
