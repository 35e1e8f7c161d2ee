import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseDepotKey } from '../../../src/lockfiles/depot-key.ts'
import type { DepotKey } from '../../../src/lockfiles/depot-key.ts'
import { claimedKeyId, readLockfile } from '../../../src/lockfiles/signed-lockfile.ts'
import { Bundle } from '../../../src/pull/bundle.ts'
import { expectPromotable, planPull } from '../../../src/pull/plan-pull.ts'
import type { PullPlan } from '../../../src/pull/plan-pull.ts'
import { pull, save } from '../../../src/pull/pull.ts'
import type { Pulled } from '../../../src/pull/pull.ts'
import { DepotSource } from '../../../src/pull/source.ts'
import type { ViewRequest } from '../../../src/pull/source.ts'
import { listLockfileKeys } from '../../../src/remote/destination.ts'
import { RemoteDepot } from '../../../src/remote/remote-depot.ts'
import type { BuiltHart } from '../build-hart.ts'
import { keyOf } from './locked-releases.ts'
import { makeOrigin, promoteTo, publishAll } from '../origin.ts'
import { ADMIN_TOKEN, furnished, startDepot } from '../start-depot.ts'
import type { TestDepot } from '../start-depot.ts'

type Teardown = Parameters<typeof startDepot>[0]

export const APP = 'acme/app/1.0.0/20260101120000'
export const NEWER = 'acme/app/2.0.0/20260102120000'
export const LIB = 'acme/lib/2.0.0/20260101120000'
export const TOOL = 'tools/tool/3.0.0/20260101120000'

export interface PullSourceDepot {
  readonly source: TestDepot
  readonly app: BuiltHart
  readonly newer: BuiltHart
  readonly lib: BuiltHart
  readonly tool: BuiltHart
}

const start = furnished(async (source) => {
  await makeOrigin(source, 'acme')
  await makeOrigin(source, 'tools')
  const [tool, lib, app, newer] = await publishAll(
    source,
    TOOL,
    LIB,
    { ident: APP, tdeps: [LIB] },
    { ident: NEWER, tdeps: [LIB, TOOL] },
  )
  if (app === undefined || newer === undefined || lib === undefined || tool === undefined)
    throw new Error('there are no packages')
  for (const hart of [app, newer]) await promoteTo(source, 'delivered', hart)
  await keyOf(source) // which is made when it is first needed
  return { app, newer, lib, tool }
})

/**
 * Starts a depot whose view `delivered` has {@link APP} as latest at revision 1 and {@link NEWER} at revision
 * 2. Both depend on {@link LIB}, and NEWER also on {@link TOOL}.
 */
export async function startPullSource(
  t: Teardown,
  environment: Readonly<Record<string, string>> = {},
): Promise<PullSourceDepot> {
  const { started: source, made } = await start(t, environment)
  return { source, ...made }
}

export async function startDestination(t: Teardown, trusted?: TestDepot): Promise<TestDepot> {
  const destination = await startDepot(t, { listen: true })
  if (trusted !== undefined) await trust(destination, await keyOf(trusted))
  return destination
}

export async function trust({ depot }: TestDepot, { id, raw }: DepotKey): Promise<void> {
  const publicKey = `hart-depot-key 1\n${id}\n${raw.toString('base64')}\n`
  await depot.writer.submit({
    kind: 'trustKey',
    input: { name: id, publicKey },
    actor: { client: 'tests', door: 'cli' },
  })
}

export interface PullOutcome {
  readonly plan: PullPlan
  readonly pulled: Pulled
  /** `WHAT: WHY` */
  readonly failures: readonly string[]
}

export interface PullOptions extends Partial<ViewRequest> {
  readonly into?: string
  readonly token?: string
  readonly toToken?: string
  readonly key?: DepotKey
  readonly isExact?: boolean
  /** Plans the pull and checks the rules, without changes. */
  readonly isDry?: boolean
}

const NOTHING_PULLED: Pulled = {
  origins: 0,
  keys: 0,
  releases: 0,
  bytes: 0,
  failures: 0,
  promotion: undefined,
}
const pauses = async () => undefined

/** Runs a pull from a URL or a folder in this process, without waiting between retries. */
export async function pullFrom(
  place: string,
  destination: { url: string },
  options: PullOptions = {},
): Promise<PullOutcome> {
  return withSpool(async (spool) => {
    const failures: string[] = []
    const source = await sourceAt(place, options, spool)
    const transfer = {
      source,
      destination: new RemoteDepot({
        url: destination.url,
        token: options.toToken ?? ADMIN_TOKEN,
        pause: pauses,
      }),
      reporter: reporterInto(failures),
    }
    const trustedKeys = (await listLockfileKeys(transfer.destination)).map(parseDepotKey)
    const text = await source.readLockfile()
    const lockfile = readLockfile(text, options.key === undefined ? trustedKeys : [options.key])
    if (source instanceof DepotSource) source.expectRequested(lockfile)
    const isKeyTrusted = trustedKeys.some(({ id }) => id === lockfile.key.id)
    const plan = await planPull(transfer, {
      text,
      lockfile,
      into: options.into ?? lockfile.view,
      isKeyTrusted,
      isExact: options.isExact ?? false,
    })
    if (options.isDry === true) await expectPromotable(transfer, plan)
    const pulled = options.isDry === true ? NOTHING_PULLED : await pull(transfer, plan)
    return { plan, pulled, failures: failures.toSorted() }
  })
}

/** Like {@link pullFrom}, but saves to a folder. */
export async function saveFrom(
  place: string,
  folder: string,
  options: PullOptions = {},
): Promise<{ saved: Pulled; failures: readonly string[] }> {
  const bundle = Bundle.in(folder)
  const failures: string[] = []
  const source = await sourceAt(place, options, await bundle.makeSpool())
  const text = await source.readLockfile()
  const lockfile = readLockfile(text, [parseDepotKey((await source.readKey(claimedKeyId(text))) ?? '')])
  const saved = await save({ source, reporter: reporterInto(failures) }, { text, lockfile }, bundle)
  return { saved, failures: failures.toSorted() }
}

async function sourceAt(
  place: string,
  { view = 'delivered', at, filter = {}, token }: PullOptions,
  spool: string,
) {
  if (!place.startsWith('http:')) return Bundle.open(place)
  return new DepotSource(new RemoteDepot({ url: place, token, pause: pauses }), { view, at, filter }, spool)
}

function reporterInto(failures: string[]) {
  return {
    begin: () => undefined,
    advance: () => undefined,
    note: () => undefined,
    fail: (what: string, why: string) => failures.push(`${what}: ${why}`),
  }
}

async function withSpool<T>(act: (spool: string) => Promise<T>): Promise<T> {
  const spool = await mkdtemp(join(tmpdir(), 'hart-depot-pull-test-'))
  try {
    const done = await act(spool)
    const left = await readdir(spool)
    if (left.length > 0) throw new Error(`the pull left ${left.join(', ')}`)
    return done
  } finally {
    await rm(spool, { recursive: true, force: true })
  }
}
