import { createHash } from 'node:crypto'
import type { Visibility } from '../../src/access/access.ts'
import { findOrigin } from '../../src/origins/origin-store.ts'
import type { Target } from '../../src/package/target.ts'
import type { TestDepot } from './start-depot.ts'
import { originOf, parseIdent } from '../../src/package/ident.ts'

export interface ReleaseRow {
  readonly ident: string
  readonly target: Target
}

/** The parts of a depot that these functions need. */
interface Written {
  readonly depot: Pick<TestDepot['depot'], 'db' | 'writer'>
}

const ACTOR = { client: 'tests', door: 'cli' } as const

/** A release with its direct dependencies (`deps`) and all of them (`tdeps`, by default the same). */
export interface Needy {
  readonly name: string
  readonly deps: readonly string[]
  readonly tdeps?: readonly string[]
  /** A text from which the checksum is computed. */
  readonly bytes?: string
}

/**
 * Publishes releases without files, in order, by the command. The target is `x86_64-linux` unless the name is
 * `IDENT for TARGET`. Missing origins are created.
 */
export async function makeReleases(
  { depot }: Written,
  ...releases: readonly (string | Needy)[]
): Promise<ReleaseRow[]> {
  const needy = releases.map((release): Needy =>
    typeof release === 'string' ? { name: release, deps: [] } : release,
  )
  for (const origin of new Set(needy.map(({ name }) => originOf(name)))) {
    if ((await findOrigin(depot.db, origin)) === undefined)
      await depot.writer.submit({ kind: 'createOrigin', input: { name: origin, ownerId: 1 }, actor: ACTOR })
  }
  const made = needy.map(async ({ name, deps, tdeps = deps, bytes = name }): Promise<ReleaseRow> => {
    const [ident, target = 'x86_64-linux'] = name.split(' for ') as [string, Target?]
    const checksum = createHash('sha256').update(bytes).digest('hex')
    const texts = {
      manifest: `# ${ident}`,
      config: '',
      exposes: [],
      deps,
      tdeps,
      buildDeps: [],
      buildTdeps: [],
    }
    const metadata = {
      target,
      ...texts,
      packageType: 'standard',
      svcUser: undefined,
      svcGroup: undefined,
    } as const
    await depot.writer.submit({
      kind: 'publishRelease',
      input: {
        ident: parseIdent(ident),
        metadata,
        checksum,
        sizeBytes: 1,
        signer: `${originOf(ident)}-20260101000000`,
        isVerified: true,
        publisherId: 1,
        isForced: false,
      },
      actor: ACTOR,
    })
    return { ident, target }
  })
  return Promise.all(made) // the writer runs them in order, and commits many at once
}

/** Sets the visibility of an ident by the command. */
export async function setVisibility(
  { depot }: TestDepot,
  ident: string,
  visibility: Visibility,
): Promise<void> {
  await depot.writer.submit({ kind: 'setVisibility', input: { ident, visibility }, actor: ACTOR })
}

/** Promotes or demotes as the operator, by the command. */
export async function move(
  { depot }: Written,
  act: 'promote' | 'demote',
  view: string,
  releases: readonly ReleaseRow[],
  more: { reason?: string; expectRevision?: number } = {},
) {
  return depot.writer.submit({
    kind: 'changeView',
    input: { request: { view, act, source: { releases } }, ...more },
    actor: ACTOR,
  })
}

/** Creates a view as the operator, by the command. */
export async function makeView(
  { depot }: TestDepot,
  name: string,
  rule: 'promoted' | 'highest',
): Promise<void> {
  await depot.writer.submit({ kind: 'createView', input: { name, rule, maker: 'operator' }, actor: ACTOR })
}

/**
 * Announces releases for `x86_64-linux`, as if upstream had them. Their origin must exist. Returns those that
 * were refused.
 */
export async function announce(
  { depot }: Written,
  origin: string,
  ...releases: readonly { ident: string; checksum: string; tdeps?: readonly string[] }[]
) {
  const announced = releases.map(({ ident, checksum, tdeps = [] }) => ({
    ident: parseIdent(ident),
    metadata: {
      target: 'x86_64-linux' as const,
      manifest: '',
      config: '',
      exposes: [],
      deps: tdeps,
      tdeps,
      buildDeps: [],
      buildTdeps: [],
      packageType: 'standard' as const,
      svcUser: undefined,
      svcGroup: undefined,
    },
    checksum,
    sizeBytes: 0,
  }))
  const input = { origin, upstream: 'https://bldr.example', releases: announced }
  const { refused } = await depot.writer.submit({ kind: 'announceReleases', input, actor: ACTOR })
  return refused
}
