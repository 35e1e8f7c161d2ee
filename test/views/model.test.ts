import * as fc from 'fast-check'
import tap, { test } from 'tap'
import { EVERYONE } from '../../src/access/access.ts'
import type { Actor, CallerActor } from '../../src/access/access.ts'
import { DepotError } from '../../src/errors.ts'
import { listMembersAt, listPointersAt } from '../../src/revisions/content-store.ts'
import type { Gates } from '../../src/views/view.ts'
import { getView } from '../../src/revisions/view-store.ts'
import type { Command } from '../../src/commands/commands.ts'
import { SEED, isExhaustive, runsOf } from '../support/random.ts'
import { makeReleases, makeView } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'
import { ViewModel, latest, members, now } from '../support/view-model.ts'
import type { Asked, Result, ModelGates } from '../support/view-model.ts'

// Runs random commands against the depot and a model of it. A failing run is shrunk to the shortest one that fails
// and reported with its seed.

const RUNS = runsOf(6)
const COMMANDS = 100
const ACTOR = { client: 'tests', door: 'cli' } as const
const STAMP = '20260101000000'
const target = 'x86_64-linux'
const ALL = { limit: 1_000 }
const HOUR_MS = 3_600_000

// Every fifty reads of this clock, commands start or stop taking long. Long ones read on a snapshot first.
let [looks, time] = [0, 0]
const started = await startDepot(tap, {
  elapsed: () => (time += Math.floor((looks += 1) / 50) % 2 === 0 ? 0 : 40),
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
/** No release needs a leaf, and only the upper view may contain one, so that it can be deleted. */
const LEAVES = ['leaf/1', 'leaf/2']
const ALL_NAMES = Object.entries(PACKAGES).flatMap(([name, versions]) =>
  versions.map((_, index) => `${name}/${index + 1}`),
)
const NAMES = ALL_NAMES.filter((name) => !LEAVES.includes(name))

/** The origin and views of one run. */
interface World {
  readonly model: ViewModel
  readonly origin: string
  readonly lower: string
  readonly upper: string
}
type Act = (world: World) => Promise<{ expected: Result; came: Result }>

let runs = 0
async function makeWorld(rule: 'promoted' | 'highest'): Promise<World> {
  runs += 1
  const world = { model: new ViewModel(), origin: `o${runs}`, lower: `lower-${runs}`, upper: `upper-${runs}` }
  for (const [name, viewRule] of [
    [world.lower, 'promoted'],
    [world.upper, rule],
  ] as const) {
    await makeView(started, name, viewRule)
    world.model.views.set(name, {
      name,
      rules: [viewRule],
      states: [new Map()],
      gates: {},
      isFrozen: false,
      since: { member: new Map(), current: new Map() },
    })
  }
  const [first = '', ...others] = ALL_NAMES
  await publish(world, first)
  for (const account of people.keys())
    await writer.submit({
      kind: 'setMember',
      input: { origin: world.origin, account, role: 'maintainer' },
      actor: ACTOR,
    })
  await Promise.all(others.map((name) => publish(world, name)))
  return world
}

const identOf = ({ origin }: World, name: string) => `${origin}/${name}.0/${STAMP}`

async function publish(world: World, name: string): Promise<void> {
  const [packageName = '', version = ''] = name.split('/')
  const needs = (PACKAGES[packageName]?.[Number(version) - 1] ?? []).map((need) => identOf(world, need))
  await makeReleases(started, { name: identOf(world, name), deps: needs })
  world.model.releases.push({
    ident: identOf(world, name),
    line: `${world.origin}/${packageName}`,
    version: Number(version),
    needs,
    isDeleted: false,
  })
}

async function submit(command: Omit<Command, 'actor'>, { by }: Asked = {}): Promise<Result> {
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

/** Makes and applies a draft. Its outcome or refusal must equal that of the change. */
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
/** Alice proposes a change, and Carol, who may not make it herself, approves it. */
async function proposeAndApprove(
  view: string,
  releases: readonly { ident: string; target: typeof target }[],
): Promise<Result> {
  const token = `plan-${(plans += 1)}`
  try {
    await writer.submit({
      kind: 'propose',
      input: { token, request: { view, act: 'promote', source: { releases } } },
      actor: actorOf('alice'),
    })
    const applied = await writer.submit({
      kind: 'approve',
      input: { plan: token, nextToken: `${token}-next` },
      actor: actorOf('carol'),
    })
    if (!('outcome' in applied)) throw new Error('a proposal was stale at once')
    return 'changed'
  } catch (error) {
    if (error instanceof DepotError) return error.code as Result
    throw error
  }
}
let plans = 0

/** The kinds of commands in all runs, and their outcomes. */
const met = new Set<string>()

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
const askedArbitrary: fc.Arbitrary<Asked> = fc.constantFrom(
  {},
  {},
  {},
  { by: 'alice' },
  { by: 'alice' },
  { override: true },
)
const howOf = ({ override }: Asked) => ({ ...(override === true && { override: { reason: 'tests' } }) })
const nameOf = ({ by, override }: Asked) =>
  `${by === undefined ? '' : ` by ${by}`}${override === true ? ' with an override' : ''}`

class Doing implements fc.AsyncCommand<World, object> {
  readonly #name: string
  readonly #act: Act

  constructor(name: string, act: Act) {
    this.#name = name
    this.#act = act
  }

  check(): boolean {
    return true
  }

  async run(world: World): Promise<void> {
    const { expected, came } = await this.#act(world)
    const [kind = ''] = this.#name.split(' ')
    met.add(`${kind} ${came}`)
    if (expected !== came) throw new Error(`${this.#name}: ${came}, not ${expected}`)
    for (const view of world.model.views.values()) await compare(world, view.name)
  }

  toString(): string {
    return this.#name
  }
}

/** A revision of the view or, sometimes, the next one. */
const revisionIn = (world: World, view: 'lower' | 'upper', number: number) =>
  number % (world.model.view(world[view]).states.length + 1)
const rowsOf = (world: World, names: readonly string[]) =>
  names.map((name) => ({ ident: identOf(world, name), target }) as const)
const identsOf = (world: World, names: readonly string[]) => names.map((name) => identOf(world, name))

const commands = [
  fc.tuple(viewArbitrary, setArbitrary, askedArbitrary).map(
    ([view, set, asked]) =>
      new Doing(`promote ${set.join(' ')} into ${view}${nameOf(asked)}`, async (world) => ({
        came: await submit(
          { kind: 'promote', input: { view: world[view], releases: rowsOf(world, set), ...howOf(asked) } },
          asked,
        ),
        expected: world.model.promote(world[view], identsOf(world, set), asked),
      })),
  ),
  fc.constantFrom(...LEAVES).map(
    (name) =>
      new Doing(`promote ${name} into upper`, async (world) => ({
        came: await submit({
          kind: 'promote',
          input: { view: world.upper, releases: rowsOf(world, [name]) },
        }),
        expected: world.model.promote(world.upper, identsOf(world, [name])),
      })),
  ),
  fc.tuple(viewArbitrary, setArbitrary).map(
    ([view, set]) =>
      new Doing(`propose and approve ${set.join(' ')} into ${view}`, async (world) => ({
        came: await proposeAndApprove(world[view], rowsOf(world, set)),
        expected: world.model.promote(world[view], identsOf(world, set), { by: 'alice', approved: true }),
      })),
  ),
  fc.tuple(viewArbitrary, setArbitrary).map(
    ([view, set]) =>
      new Doing(`plan and apply ${set.join(' ')} into ${view}`, async (world) => ({
        came: await planAndApply(world[view], rowsOf(world, set)),
        expected: world.model.promote(world[view], identsOf(world, set)),
      })),
  ),
  fc.tuple(fc.constantFrom(...LEAVES), askedArbitrary).map(
    ([name, asked]) =>
      new Doing(`demote ${name} from upper${nameOf(asked)}`, async (world) => ({
        came: await submit(
          {
            kind: 'demote',
            input: { view: world.upper, releases: rowsOf(world, [name]), ...howOf(asked) },
          },
          asked,
        ),
        expected: world.model.demote(world.upper, identsOf(world, [name]), asked),
      })),
  ),
  fc.tuple(viewArbitrary, setArbitrary, askedArbitrary).map(
    ([view, set, asked]) =>
      new Doing(`demote ${set.join(' ')} from ${view}${nameOf(asked)}`, async (world) => ({
        came: await submit(
          { kind: 'demote', input: { view: world[view], releases: rowsOf(world, set), ...howOf(asked) } },
          asked,
        ),
        expected: world.model.demote(world[view], identsOf(world, set), asked),
      })),
  ),
  fc.tuple(viewArbitrary, revisionArbitrary, askedArbitrary).map(
    ([view, revision, asked]) =>
      new Doing(`roll ${view} back to revision ${revision}${nameOf(asked)}`, async (world) => {
        const to = revisionIn(world, view, revision)
        return {
          came: await submit(
            {
              kind: 'changeView',
              input: {
                request: { view: world[view], act: 'rollback', to: { revision: to } },
                ...howOf(asked),
              },
            },
            asked,
          ),
          expected: world.model.rollback(world[view], to, asked),
        }
      }),
  ),
  fc.tuple(viewArbitrary, revisionArbitrary, askedArbitrary).map(
    ([view, revision, asked]) =>
      new Doing(`revert revision ${revision} of ${view}${nameOf(asked)}`, async (world) => {
        const which = revisionIn(world, view, revision)
        return {
          came: await submit(
            {
              kind: 'changeView',
              input: { request: { view: world[view], act: 'revert', revision: which }, ...howOf(asked) },
            },
            asked,
          ),
          expected: world.model.revert(world[view], which, asked),
        }
      }),
  ),
  fc.tuple(viewArbitrary, fc.constantFrom('promoted' as const, 'highest' as const), askedArbitrary).map(
    ([view, rule, asked]) =>
      new Doing(`set-rule ${rule} of ${view}${nameOf(asked)}`, async (world) => ({
        came: await submit(
          {
            kind: 'changeView',
            input: { request: { view: world[view], act: 'set-rule', rule }, ...howOf(asked) },
          },
          asked,
        ),
        expected: world.model.setRule(world[view], rule, asked),
      })),
  ),
  fc.tuple(viewArbitrary, fc.constantFrom(true, false, false)).map(
    ([view, isFrozen]) =>
      new Doing(`${isFrozen ? 'freeze' : 'thaw'} ${view}`, async (world) => {
        await writer.submit(
          isFrozen
            ? { kind: 'freeze', input: { view: world[view], reason: 'audit' }, actor: ACTOR }
            : { kind: 'thaw', input: { view: world[view] }, actor: ACTOR },
        )
        world.model.view(world[view]).isFrozen = isFrozen
        return { came: 'changed', expected: 'changed' }
      }),
  ),
  gatesArbitrary.map(
    (gates) =>
      new Doing(`set the gates ${JSON.stringify(gates)}`, async (world) => {
        const named =
          gates.requires === undefined
            ? gates
            : { ...gates, requires: { ...gates.requires, view: world.lower } }
        world.model.view(world.upper).gates = named
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
        await writer.submit({ kind: 'govern', input: { view: world.upper, gates: set }, actor: ACTOR })
        return { came: 'changed', expected: 'changed' }
      }),
  ),
  fc.constant(
    new Doing('wait an hour', async ({ model }) => {
      model.hour += 1
      started.setClock(started.depot.now() + HOUR_MS)
      return { came: 'changed', expected: 'changed' }
    }),
  ),
  fc.constantFrom(...NAMES, ...LEAVES, ...LEAVES, ...LEAVES).map(
    (name) =>
      new Doing(`delete ${name}`, async (world) => ({
        came: await submit({ kind: 'deleteRelease', input: { ident: identOf(world, name), target } }),
        expected: world.model.remove(identOf(world, name)),
      })),
  ),
  fc.constantFrom(...ALL_NAMES).map(
    (name) =>
      new Doing(`publish ${name} again`, async (world) => {
        if (world.model.find(identOf(world, name)) === undefined) await publish(world, name)
        return { came: 'changed', expected: 'changed' }
      }),
  ),
]

async function compare(world: World, name: string, revision?: number): Promise<void> {
  const modelled = world.model.view(name)
  const view = await getView(db, name)
  const at = revision ?? view.revision
  const state = revision === undefined ? now(modelled) : (modelled.states[revision] ?? new Map())
  const held = (await listMembersAt(db, view, at, ALL, EVERYONE)).map(({ ident }) => ident).toSorted()
  const answered = (await listPointersAt(db, view, at, ALL, EVERYONE)).map(({ ident }) => ident).toSorted()
  const should = {
    revision: modelled.states.length - 1,
    members: members(state)
      .map(({ ident }) => ident)
      .toSorted(),
    latest: [...state.values()]
      .flatMap((line) => latest(modelled.rules[at] ?? 'promoted', line)?.ident ?? [])
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
        const world = await makeWorld(rule)
        await fc.asyncModelRun(() => ({ model: world, real: {} }), some)
        for (const view of world.model.views.values())
          for (const revision of view.states.keys()) await compare(world, view.name, revision)
      },
    )
    await fc.assert(property, { seed: 23 + SEED, numRuns: RUNS })
    t.pass(`${RUNS} runs of up to ${COMMANDS} commands`)
  })
}

// The few runs of `npm test` do not meet every outcome.
test('the runs covered every command and outcome', async (t) => {
  t.ok(met.size > 20, `${met.size} outcomes`)
  if (!isExhaustive) return
  const came: readonly Result[] = ['changed', 'unchanged', 'not_found', 'refused']
  for (const kind of ['promote', 'plan'])
    for (const each of came) t.ok(met.has(`${kind} ${each}`), `${kind} ${each}`)
  for (const kind of ['promote', 'demote', 'propose', 'roll', 'revert'])
    t.ok(met.has(`${kind} forbidden`), `${kind} forbidden`)
  for (const each of ['changed', 'refused']) t.ok(met.has(`propose ${each}`), `propose ${each}`)
  for (const each of ['changed', 'not_found', 'not_member', 'refused'])
    t.ok(met.has(`demote ${each}`), `demote ${each}`)
  for (const kind of ['roll', 'revert'])
    for (const each of [...came, 'conflict']) t.ok(met.has(`${kind} ${each}`), `${kind} ${each}`)
  for (const each of ['changed', 'unchanged', 'refused', 'forbidden'])
    t.ok(met.has(`set-rule ${each}`), `set-rule ${each}`)
  for (const each of ['changed', 'not_found', 'refused', 'in_use'])
    t.ok(met.has(`delete ${each}`), `delete ${each}`)
})
