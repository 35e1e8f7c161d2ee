import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import type { DepotClient } from '../../../client/client.ts'
import type { NewPlan } from '../../../client/operations.ts'
import type { Example } from '../../command.ts'
import { EXIT, Exit, UsageError } from '../../exit-codes.ts'
import { pathOf } from '../../io.ts'
import type { Io } from '../../io.ts'
import {
  checkIdent,
  checkRule,
  checkMoment,
  packageFilterOf,
  splitMoment,
  splitIdentsAndView,
} from '../arguments.ts'
import type { PackageFilter } from '../arguments.ts'

/** A change of a view that can be made, planned or proposed, always with the same arguments. */
export interface Act {
  readonly name: NonNullable<NewPlan['act']>
  /** The help of the command, in the imperative. */
  readonly summary: string
  readonly arguments: readonly (readonly [name: string, description: string])[]
  readonly options: readonly (readonly [flags: string, description: string])[]
  /** The lines begin with the name of the act. */
  readonly examples: readonly [Example, Example, ...Example[]]
  /** Makes the change that the arguments and options describe. Throws a UsageError or an {@link Exit}. */
  read(words: readonly string[], options: ActOptions, from: { io: Io; depot: DepotClient }): Promise<Change>
}

/** A change of a view, as the body of a plan. */
export interface Change {
  readonly view: string
  readonly body: NewPlan
}

export interface ActOptions {
  readonly from?: string
  readonly origin?: string
  readonly name?: string
  readonly lockfile?: string
  readonly target?: string
  readonly withDeps?: true
  readonly exact?: true
  readonly to?: string
}

const IDENTS_AND_VIEW = [
  '<ident-or-view...>',
  'full idents and the view, in either order: the slash tells which is which',
] as const
const ONLY_FROM = [
  ['--origin <origin>', 'with --from: only packages of this origin'],
  ['--name <name>', 'with --from: only packages of this name'],
] as const
const TARGET = [
  '--target <target>',
  'the target of the idents; the default is the only one there is',
] as const
const ONLY = [
  ['--origin <origin>', 'only packages of this origin'],
  ['--name <name>', 'only packages of this name'],
] as const

const promote: Act = {
  name: 'promote',
  summary: 'promote releases into a view',
  arguments: [IDENTS_AND_VIEW],
  options: [
    ['--from <view>', 'promote the latest releases of another view: VIEW, VIEW@REVISION or VIEW@TIME'],
    ...ONLY_FROM,
    ['--lockfile <file>', 'promote the releases of a signed lockfile; - is stdin'],
    TARGET,
    ['--with-deps', 'also promote all dependencies'],
    ['--exact', 'also remove packages that the source does not have'],
  ],
  examples: [
    ['promote acme/app/1.2.0/20260101120000 acceptance', 'one release'],
    ['promote delivered --from rehearsal --origin acme --reason "release 42"', 'what another view has'],
    ['promote union acme/app/1.2.0/20260101120000 --with-deps', 'a release with its dependencies'],
  ],
  async read(words, options, { io }) {
    const { view, idents } = splitIdentsAndView(words)
    return {
      view,
      body: {
        ...(await readReleases(io, idents, options)),
        ...(options.withDeps === true && { with_deps: true }),
        ...(options.exact === true && { exact: true }),
      },
    }
  },
}

const demote: Act = {
  name: 'demote',
  summary: 'remove releases from a view',
  arguments: [IDENTS_AND_VIEW],
  options: [
    ['--from <view>', 'remove the latest releases of another view: VIEW, VIEW@REVISION or VIEW@TIME'],
    ...ONLY_FROM,
    ['--lockfile <file>', 'remove the releases of a signed lockfile; - is stdin'],
    TARGET,
  ],
  examples: [
    ['demote acme/app/1.2.0/20260101120000 union', 'one release'],
    ['demote union acme/app/1.2.0/20260101120000 --reason "it crashes"', 'with the reason for the history'],
  ],
  async read(words, options, { io }) {
    const { view, idents } = splitIdentsAndView(words)
    return { view, body: await readReleases(io, idents, options) }
  },
}

const rollback: Act = {
  name: 'rollback',
  summary: 'restore an earlier state of a view',
  arguments: [['<view>', 'the view']],
  options: [
    ['--to <revision-or-time>', 'the state to restore; the default is the one before the last move'],
    ...ONLY,
  ],
  examples: [
    ['rollback delivered', 'undo the last move'],
    ['rollback delivered --to 2026-01-02T08:00:00Z', 'restore what was there at a time'],
    ['rollback delivered --origin acme --name app', 'restore one package, and leave all others alone'],
  ],
  async read([view = ''], options, { depot }) {
    const only = packageFilterOf(options)
    const to =
      options.to === undefined ? await findStateBefore(depot, view, only) : checkMoment(options.to, '--to')
    return { view, body: { to, ...only } }
  },
}

const revert: Act = {
  name: 'revert',
  summary: 'undo one revision of a view, and keep the later ones',
  arguments: [
    ['<view>', 'the view'],
    ['<revision>', 'the revision to undo; hart-depot history VIEW lists them'],
  ],
  options: ONLY,
  examples: [
    ['revert delivered 41', 'undo revision 41'],
    ['revert delivered 41 --origin acme', 'undo it for the packages of one origin'],
  ],
  async read([view = '', revision = ''], options) {
    return { view, body: { revision: checkMoment(revision, 'the revision'), ...packageFilterOf(options) } }
  },
}

const setRule: Act = {
  name: 'set-rule',
  summary: 'set what latest means in a view',
  arguments: [
    ['<view>', 'the view'],
    ['<rule>', 'promoted (the release promoted last) or highest (the highest version)'],
  ],
  options: [],
  examples: [
    ['set-rule stable promoted', 'let latest go down when an older release is promoted'],
    ['set-rule stable highest --reason "as Builder has it"', 'let latest be the highest version'],
  ],
  async read([view = '', rule]) {
    return { view, body: { rule: checkRule(rule) } }
  },
}

export const ACTS = { promote, demote, rollback, revert, setRule } as const

/** Makes the source of a change. Throws a UsageError unless exactly one source is given. */
async function readReleases(
  io: Io,
  idents: readonly string[],
  { from, origin, name, lockfile, target }: ActOptions,
): Promise<Pick<NewPlan, 'releases' | 'target' | 'from' | 'lockfile'>> {
  const given = [idents.length > 0, from !== undefined, lockfile !== undefined].filter(Boolean)
  if (given.length !== 1)
    throw new UsageError('name releases in one of three ways: idents, --from or --lockfile')
  if (from === undefined && (origin !== undefined || name !== undefined))
    throw new UsageError('--origin and --name need --from')
  if (lockfile !== undefined)
    return {
      lockfile: lockfile === '-' ? await text(io.stdin) : await readFile(pathOf(io, lockfile), 'utf8'),
    }
  if (from !== undefined) {
    const { view, at } = splitMoment(from)
    return { from: { view, ...(at !== undefined && { at }), ...packageFilterOf({ origin, name }) } }
  }
  return {
    releases: idents.map(checkIdent),
    ...(target !== undefined && { target: target as NonNullable<NewPlan['target']> }),
  }
}

/**
 * Returns the revision before the last one that moved `latest` of a package. Throws {@link Exit} if none did.
 */
async function findStateBefore(
  depot: DepotClient,
  view: string,
  { origin, name }: PackageFilter,
): Promise<number> {
  for await (const { revision, pointers } of depot.each('listRevisions', { view }))
    for (const { package: moved } of pointers) {
      const [movedOrigin, movedName] = moved.split('/')
      if ((origin ?? movedOrigin) === movedOrigin && (name ?? movedName) === movedName) return revision - 1
    }
  throw new Exit(EXIT.failed, `nothing has moved in ${view} yet, so there is no state to roll back to`)
}
