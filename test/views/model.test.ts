import * as fc from 'fast-check'
import tap, { test } from 'tap'
import { UNRESTRICTED_AUDIENCE } from '../../src/access/access.ts'
import type { Actor, CallerActor } from '../../src/access/access.ts'
import { DepotError } from '../../src/errors.ts'
import { listMembersAt, listPointersAt } from '../../src/revisions/content-store.ts'
import type { Gates } from '../../src/views/view.ts'
import { getView } from '../../src/revisions/view-store.ts'
import type { Command } from '../../src/commands/commands.ts'
import { SEED, isExhaustive, runsOf } from '../support/random.ts'
import { makeReleases, makeView } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'
import { ViewModel, latest, members, now } from '../support/views/view-model.ts'
import type { CommandOptions, Result, ModelGates } from '../support/views/view-model.ts'

// Runs random commands against the depot and a model of it. A failing run is shrunk to the shortest one that
// fails and reported with its seed.

const RUNS = runsOf(2)
const COMMANDS = 100
const ACTOR = { client: 'tests', door: 'cli' } as const
const STAMP = '20260101000000'
const target = 'x86_64-linux'
const ALL = { limit: 1_000 }
const HOUR_MS = 3_600_000

// After every fifty reads of this clock, commands become slow or fast. Slow ones read on a snapshot first.
let [reads, time] = [0, 0]
const started = await startDepot(tap, {
  elapsed: () => (time += Math.floor((reads += 1) / 50) % 2 === 0 ? 0 : 40),
})
const { db, writer } = started.depot
/** The accounts that are maintainers of every origin. */
const people = new Map<string, CallerActor>()
for (const name of ['alice', 'bob', 'carol']) {
  await started.account(name)
  people.set(name, await started.actor(name))
}
const actorOf = (account: string | undefined): Actor => people.get(account ?? '') ?? ACTOR

/** The versions of each package, with the dependencies of each. */
const PACKAGES: Readonly<Record<string, readonly (readonly string[])[]>> = {
  lib: [[], []],
  base: [['lib/1'], ['lib/2']],
  app: [['base/1', 'lib/1'], ['base/2', 'lib/2'], []],
  tool: [[], []],
  leaf: [[], []],
}
/** No release depends on a leaf, and only the upper view may contain leaves, so that they can be deleted. */
const LEAVES = ['leaf/1', 'leaf/2']
const ALL_NAMES = Object.entries(PACKAGES).flatMap(([name, versions]) =>
  versions.map((_, index) => `${name}/${index + 1}`),
)
const NAMES = ALL_NAMES.filter((name) => !LEAVES.includes(name))

/** The origin and views of one run. */
interface Setup {
  readonly model: ViewModel
  readonly origin: string
  readonly lower: string
  readonly upper: string
}
type Act = (setup: Setup) => Promise<{ expected: Result; actual: Result }>

let runs = 0
async function makeSetup(rule: 'promoted' | 'highest'): Promise<Setup> {
  runs += 1
  const setup = { model: new ViewModel(), origin: `o${runs}`, lower: `lower-${runs}`, upper: `upper-${runs}` }
  for (const [name, viewRule] of [
    [setup.lower, 'promoted'],
    [setup.upper, rule],
  ] as const) {
    await makeView(started, name, viewRule)
    setup.model.views.set(name, {
      name,
      rules: [viewRule],
      states: [new Map()],
      skipped: [new Set()],
      gates: {},
      isFrozen: false,
      since: { member: new Map(), current: new Map() },
    })
  }
  const [first = '', ...others] = ALL_NAMES
  await publish(setup, first)
  for (const account of people.keys())
    await writer.submit({
      kind: 'setMember',
      input: { origin: setup.origin, account, role: 'maintainer' },
      actor: ACTOR,
    })
  await Promise.all(others.map((name) => publish(setup, name)))
  return setup
}

const identOf = ({ origin }: Setup, name: string) => `${origin}/${name}.0/${STAMP}`

async function publish(setup: Setup, name: string): Promise<void> {
  const [packageName = '', version = ''] = name.split('/')
  const needs = (PACKAGES[packageName]?.[Number(version) - 1] ?? []).map((need) => identOf(setup, need))
  await makeReleases(started, { name: identOf(setup, name), deps: needs })
  setup.model.releases.push({
    ident: identOf(setup, name),
    line: `${setup.origin}/${packageName}`,
    version: Number(version),
    needs,
    isDeleted: false,
    isYanked: false,
  })
}

async function submit(command: Omit<Command, 'actor'>, { by }: CommandOptions = {}): Promise<Result> {
  try {
    const outcome = await writer.submit({ ...command, actor: actorOf(by) })
    return typeof outcome === 'object' && 'isChanged' in outcome && !outcome.isChanged
      ? 'unchanged'
      : 'changed'
  } catch (error) {
    if (error instanceof DepotError) return error.code as Result
    throw error
  }
}

/** Makes and applies a draft. The result must equal that of the change itself. */
async function planAndApply(
  view: string,
  releases: readonly { ident: string; target: typeof target }[],
): Promise<Result> {
  try {
    const token = `plan-${(plans += 1)}`
    await writer.submit({
      kind: 'draftPlan',
      input: { token, request: { view, act: 'promote', source: { releases } } },
      actor: ACTOR,
    })
    const applied = await writer.submit({
      kind: 'applyPlan',
      input: { plan: token, nextToken: `${token}-next` },
      actor: ACTOR,
    })
    if (!('outcome' in applied)) throw new Error('a plan was stale at once')
    return applied.outcome.isChanged ? 'changed' : 'unchanged'
  } catch (error) {
    if (error instanceof DepotError) return error.code as Result
    throw error
  }
}
/** Alice proposes a change. Carol, who may not make the change herself, approves it. */
async function proposeAndApprove(
  view: string,
  releases: readonly { ident: string; target: typeof target }[],
): Promise<Result> {
  const token = `plan-${(plans += 1)}`
  let isOpen = false
  try {
    await writer.submit({
      kind: 'propose',
      input: { token, request: { view, act: 'promote', source: { releases } } },
      actor: actorOf('alice'),
    })
    isOpen = true
    const applied = await writer.submit({
      kind: 'approve',
      input: { plan: token, nextToken: `${token}-next` },
      actor: actorOf('carol'),
    })
    if (!('outcome' in applied)) throw new Error('a proposal was stale at once')
    return 'changed'
  } catch (error) {
    // An open proposal would keep its releases from deletion, which the model does not know.
    if (isOpen) await writer.submit({ kind: 'reject', input: { plan: token }, actor: actorOf('alice') })
    if (error instanceof DepotError) return error.code as Result
    throw error
  }
}
let plans = 0

/** The kinds of commands in all runs, and their outcomes. */
const covered = new Set<string>()

const viewArbitrary = fc.constantFrom('lower' as const, 'upper' as const)
const setArbitrary = fc.array(fc.constantFrom(...NAMES, 'tool/1', 'tool/2'), { minLength: 1, maxLength: 4 })
const revisionArbitrary = fc.nat({ max: 1_000 })
const gatesArbitrary: fc.Arbitrary<ModelGates> = fc.record(
  {
    requires: fc.record({
      view: fc.constant('lower'),
      as: fc.constantFrom('member' as const, 'current' as const),
      soaks: fc.boolean(),
    }),
    promoters: fc.constantFrom(['alice'], ['bob'], ['bob']),
    approval: fc.constant(true as const),
    closure: fc.constantFrom('depot' as const, 'view' as const),
    downgrade: fc.constant('refuse' as const),
  },
  { requiredKeys: [] },
)

/** Most changes are made by the operator, who has all rights. */
const optionsArbitrary: fc.Arbitrary<CommandOptions> = fc.constantFrom(
  {},
  {},
  {},
  { by: 'alice' },
  { by: 'alice' },
  { override: true },
)
const overrideOf = ({ override }: CommandOptions) => ({
  ...(override === true && { override: { reason: 'tests' } }),
})
const optionsText = ({ by, override }: CommandOptions) =>
  `${by === undefined ? '' : ` by ${by}`}${override === true ? ' with an override' : ''}`

class ModelCommand implements fc.AsyncCommand<Setup, object> {
  readonly #name: string
  readonly #act: Act

  constructor(name: string, act: Act) {
    this.#name = name
    this.#act = act
  }

  check(): boolean {
    return true
  }

  async run(setup: Setup): Promise<void> {
    const { expected, actual } = await this.#act(setup)
    const [kind = ''] = this.#name.split(' ')
    covered.add(`${kind} ${actual}`)
    if (expected !== actual) throw new Error(`${this.#name}: ${actual}, not ${expected}`)
    for (const view of setup.model.views.values()) await compare(setup, view.name)
  }

  toString(): string {
    return this.#name
  }
}

/** A revision of the view or, sometimes, the next one. */
const revisionIn = (setup: Setup, view: 'lower' | 'upper', number: number) =>
  number % (setup.model.view(setup[view]).states.length + 1)
const rowsOf = (setup: Setup, names: readonly string[]) =>
  names.map((name) => ({ ident: identOf(setup, name), target }) as const)
const identsOf = (setup: Setup, names: readonly string[]) => names.map((name) => identOf(setup, name))

/** Some outcomes of these commands are rare. */
const thrice = <T>(command: T): T[] => [command, command, command]

const commands = [
  fc.tuple(viewArbitrary, setArbitrary, optionsArbitrary).map(
    ([view, set, options]) =>
      new ModelCommand(`promote ${set.join(' ')} into ${view}${optionsText(options)}`, async (setup) => ({
        actual: await submit(
          {
            kind: 'promote',
            input: { view: setup[view], releases: rowsOf(setup, set), ...overrideOf(options) },
          },
          options,
        ),
        expected: setup.model.promote(setup[view], identsOf(setup, set), options),
      })),
  ),
  fc.constantFrom(...LEAVES).map(
    (name) =>
      new ModelCommand(`promote ${name} into upper`, async (setup) => ({
        actual: await submit({
          kind: 'promote',
          input: { view: setup.upper, releases: rowsOf(setup, [name]) },
        }),
        expected: setup.model.promote(setup.upper, identsOf(setup, [name])),
      })),
  ),
  fc.tuple(viewArbitrary, setArbitrary).map(
    ([view, set]) =>
      new ModelCommand(`propose and approve ${set.join(' ')} into ${view}`, async (setup) => ({
        actual: await proposeAndApprove(setup[view], rowsOf(setup, set)),
        expected: setup.model.promote(setup[view], identsOf(setup, set), { by: 'alice', approved: true }),
      })),
  ),
  fc.tuple(viewArbitrary, setArbitrary).map(
    ([view, set]) =>
      new ModelCommand(`plan and apply ${set.join(' ')} into ${view}`, async (setup) => ({
        actual: await planAndApply(setup[view], rowsOf(setup, set)),
        expected: setup.model.promote(setup[view], identsOf(setup, set)),
      })),
  ),
  fc.tuple(fc.constantFrom(...LEAVES), optionsArbitrary).map(
    ([name, options]) =>
      new ModelCommand(`demote ${name} from upper${optionsText(options)}`, async (setup) => ({
        actual: await submit(
          {
            kind: 'demote',
            input: { view: setup.upper, releases: rowsOf(setup, [name]), ...overrideOf(options) },
          },
          options,
        ),
        expected: setup.model.demote(setup.upper, identsOf(setup, [name]), options),
      })),
  ),
  fc.tuple(viewArbitrary, setArbitrary, optionsArbitrary).map(
    ([view, set, options]) =>
      new ModelCommand(`demote ${set.join(' ')} from ${view}${optionsText(options)}`, async (setup) => ({
        actual: await submit(
          {
            kind: 'demote',
            input: { view: setup[view], releases: rowsOf(setup, set), ...overrideOf(options) },
          },
          options,
        ),
        expected: setup.model.demote(setup[view], identsOf(setup, set), options),
      })),
  ),
  fc.tuple(viewArbitrary, revisionArbitrary, optionsArbitrary).map(
    ([view, revision, options]) =>
      new ModelCommand(`roll ${view} back to revision ${revision}${optionsText(options)}`, async (setup) => {
        const to = revisionIn(setup, view, revision)
        return {
          actual: await submit(
            {
              kind: 'changeView',
              input: {
                request: { view: setup[view], act: 'rollback', to: { revision: to } },
                ...overrideOf(options),
              },
            },
            options,
          ),
          expected: setup.model.rollback(setup[view], to, options),
        }
      }),
  ),
  ...thrice(
    fc.tuple(viewArbitrary, revisionArbitrary, optionsArbitrary).map(
      ([view, revision, options]) =>
        new ModelCommand(`revert revision ${revision} of ${view}${optionsText(options)}`, async (setup) => {
          const which = revisionIn(setup, view, revision)
          return {
            actual: await submit(
              {
                kind: 'changeView',
                input: {
                  request: { view: setup[view], act: 'revert', revision: which },
                  ...overrideOf(options),
                },
              },
              options,
            ),
            expected: setup.model.revert(setup[view], which, options),
          }
        }),
    ),
  ),
  fc.tuple(viewArbitrary, fc.constantFrom('promoted' as const, 'highest' as const), optionsArbitrary).map(
    ([view, rule, options]) =>
      new ModelCommand(`set-rule ${rule} of ${view}${optionsText(options)}`, async (setup) => ({
        actual: await submit(
          {
            kind: 'changeView',
            input: { request: { view: setup[view], act: 'set-rule', rule }, ...overrideOf(options) },
          },
          options,
        ),
        expected: setup.model.setRule(setup[view], rule, options),
      })),
  ),
  fc.tuple(viewArbitrary, fc.constantFrom(true, false)).map(
    ([view, isFrozen]) =>
      new ModelCommand(`${isFrozen ? 'freeze' : 'thaw'} ${view}`, async (setup) => {
        await writer.submit(
          isFrozen
            ? { kind: 'freeze', input: { view: setup[view], reason: 'audit' }, actor: ACTOR }
            : { kind: 'thaw', input: { view: setup[view] }, actor: ACTOR },
        )
        setup.model.view(setup[view]).isFrozen = isFrozen
        return { actual: 'changed', expected: 'changed' }
      }),
  ),
  gatesArbitrary.map(
    (gates) =>
      new ModelCommand(`set the gates ${JSON.stringify(gates)}`, async (setup) => {
        const named =
          gates.requires === undefined
            ? gates
            : { ...gates, requires: { ...gates.requires, view: setup.lower } }
        setup.model.view(setup.upper).gates = named
        const { requires, approval, ...others } = named
        const set: Gates = {
          ...others,
          ...(requires !== undefined && {
            requires: [
              {
                view: requires.view,
                as: requires.as,
                ...(requires.soaks === true && { soakMs: HOUR_MS / 2 }),
              },
            ],
          }),
          ...(approval === true && { approval: { approvers: ['carol'], expiresMs: 100 * HOUR_MS } }),
        }
        await writer.submit({ kind: 'setGates', input: { view: setup.upper, gates: set }, actor: ACTOR })
        return { actual: 'changed', expected: 'changed' }
      }),
  ),
  fc.constant(
    new ModelCommand('wait an hour', async ({ model }) => {
      model.hour += 1
      started.setClock(started.depot.now() + HOUR_MS)
      return { actual: 'changed', expected: 'changed' }
    }),
  ),
  ...thrice(
    fc
      .tuple(
        fc.constantFrom(...LEAVES, ...LEAVES, ...ALL_NAMES),
        fc.constantFrom('yank', 'unyank'),
        optionsArbitrary,
      )
      .map(
        ([name, act, { override }]) =>
          new ModelCommand(
            `${act} ${name}${optionsText(override === true ? { override } : {})}`,
            async (setup) => {
              const input = {
                ident: identOf(setup, name),
                target,
                mark: 'yanked',
                ...overrideOf({ ...(override && { override }) }),
              } as const
              const options = { ...(override && { override }) }
              return act === 'yank'
                ? {
                    actual: await submit({
                      kind: 'markRelease',
                      input: { ...input, reason: 'it is broken' },
                    }),
                    expected: setup.model.yank(input.ident, options),
                  }
                : {
                    actual: await submit({ kind: 'unmarkRelease', input }),
                    expected: setup.model.unyank(input.ident, options),
                  }
            },
          ),
      ),
  ),
  ...thrice(
    fc.constantFrom(...NAMES, ...LEAVES, ...LEAVES, ...LEAVES).map(
      (name) =>
        new ModelCommand(`delete ${name}`, async (setup) => ({
          actual: await submit({ kind: 'deleteRelease', input: { ident: identOf(setup, name), target } }),
          expected: setup.model.remove(identOf(setup, name)),
        })),
    ),
  ),
  fc.constantFrom(...ALL_NAMES).map(
    (name) =>
      new ModelCommand(`publish ${name} again`, async (setup) => {
        if (setup.model.find(identOf(setup, name)) === undefined) await publish(setup, name)
        return { actual: 'changed', expected: 'changed' }
      }),
  ),
]

async function compare(setup: Setup, name: string, revision?: number): Promise<void> {
  const modelled = setup.model.view(name)
  const view = await getView(db, name)
  const at = revision ?? view.revision
  const state = revision === undefined ? now(modelled) : (modelled.states[revision] ?? new Map())
  const held = (await listMembersAt(db, view, at, ALL, UNRESTRICTED_AUDIENCE))
    .map(({ ident }) => ident)
    .toSorted()
  const answered = (await listPointersAt(db, view, at, ALL, UNRESTRICTED_AUDIENCE))
    .map(({ ident }) => ident)
    .toSorted()
  const should = {
    revision: modelled.states.length - 1,
    members: members(state)
      .map(({ ident }) => ident)
      .toSorted(),
    latest: [...state.values()]
      .flatMap((line) => latest(modelled.rules[at] ?? 'promoted', line, modelled.skipped[at])?.ident ?? [])
      .toSorted(),
  }
  const is = { revision: view.revision, members: held, latest: answered }
  if (JSON.stringify(is) !== JSON.stringify(should))
    throw new Error(`${name} at ${at} is ${JSON.stringify(is)}, not ${JSON.stringify(should)}`)
}

for (const rule of ['promoted', 'highest'] as const) {
  test(`${rule}: the depot and the model agree after every command`, async (t) => {
    t.comment(`SEED=${SEED} RUNS=${RUNS}`)
    const property = fc.asyncProperty(
      fc.commands(commands, { maxCommands: COMMANDS, size: 'max' }),
      async (some) => {
        const setup = await makeSetup(rule)
        await fc.asyncModelRun(() => ({ model: setup, real: {} }), some)
        for (const view of setup.model.views.values())
          for (const revision of view.states.keys()) await compare(setup, view.name, revision)
      },
    )
    await fc.assert(property, { seed: 23 + SEED, numRuns: RUNS })
    t.pass(`${RUNS} runs of up to ${COMMANDS} commands`)
  })
}

// The few runs of `npm test` do not cover every outcome.
const OUTCOMES: Readonly<Record<string, readonly string[]>> = {
  promote: ['changed', 'unchanged', 'not_found', 'refused', 'forbidden'],
  plan: ['changed', 'unchanged', 'not_found', 'refused'],
  propose: ['changed', 'refused', 'forbidden'],
  demote: ['changed', 'not_found', 'not_member', 'refused', 'forbidden'],
  roll: ['changed', 'unchanged', 'not_found', 'refused', 'conflict', 'forbidden'],
  revert: ['changed', 'unchanged', 'not_found', 'refused', 'conflict', 'forbidden'],
  'set-rule': ['changed', 'unchanged', 'refused', 'forbidden'],
  yank: ['changed', 'unchanged', 'not_found', 'refused'],
  unyank: ['changed', 'unchanged', 'not_found'],
  delete: ['changed', 'not_found', 'refused', 'in_use'],
}
/** How many outcomes a run may miss by chance. */
const MAX_MISSED = 4

test('the runs covered nearly every command and outcome', async (t) => {
  t.ok(covered.size > 20, `${covered.size} outcomes`)
  if (!isExhaustive) return
  const missed = Object.entries(OUTCOMES)
    .flatMap(([kind, outcomes]) => outcomes.map((each) => `${kind} ${each}`))
    .filter((each) => !covered.has(each))
  t.ok(missed.length <= MAX_MISSED, missed.join(', '))
})
