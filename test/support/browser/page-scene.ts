import type { Test } from 'tap'
import type { PhaseStatus } from '../../../src/views/phase.ts'
import { hashToken } from '../../../src/accounts/token.ts'
import { commandsOn } from '../command.ts'
import { makeOrigin, publishAll } from '../origin.ts'
import { ADMIN_TOKEN, START, furnished } from '../start-depot.ts'
import type { TestDepot } from '../start-depot.ts'

// A depot as a small company has it: four packages on their way through the pipeline, with people, a freeze,
// a proposal, a yanked release and a rollback.

const HOUR_MS = 3_600_000
export const JANE_TOKEN = 'token-of-jane-who-maintains-acme'
export const ROBOT_TOKEN = 'token-of-the-robot-that-promotes'

/** The idents of a package, `acme/name/version/release`. */
export const APP = ['1.0.0', '1.1.0', '1.2.0', '1.3.0'].map(
  (version, day) => `acme/app/${version}/2026010${day + 1}120000`,
)
export const LIB = ['2.4.1', '2.5.0'].map((version, day) => `acme/lib/${version}/2026010${day + 1}090000`)
const WEB = ['0.9.0', '0.10.0'].map((version, day) => `acme/web-frontend/${version}/2026010${day + 1}150000`)
const TOOL = 'acme/migration-tool/7.0.3/20260103100000'

const furnish = furnished(async (started) => {
  const { depot } = started
  const actor = { client: 'tests', door: 'cli' } as const
  for (const [name, token] of [
    ['jane', JANE_TOKEN],
    ['robot', ROBOT_TOKEN],
  ] as const) {
    await depot.writer.submit({ kind: 'addAccount', input: { name }, actor })
    const input = { account: name, hash: hashToken(token), label: 'page' }
    await depot.writer.submit({ kind: 'issueToken', input, actor })
  }
  await makeOrigin(started)
  for (const account of ['jane', 'robot'])
    await depot.writer.submit({
      kind: 'setMember',
      input: { origin: 'acme', account, role: 'maintainer' },
      actor,
    })
  const run = async (token: string, ...args: string[]) => {
    const { code, stderr } = await commandsOn(started, token)(args)
    if (code !== 0) throw new Error(`${args.join(' ')}: ${stderr}`)
  }
  let hours = 0
  const later = (by: number) => started.setClock(START + (hours += by) * HOUR_MS)
  const [app1 = '', app2 = '', app3 = '', app4 = ''] = APP
  const [lib1 = '', lib2 = ''] = LIB
  const [web1 = '', web2 = ''] = WEB
  await publishAll(started, app1, lib1, web1)
  for (const view of ['acceptance', 'union', 'rehearsal', 'delivered']) {
    later(4)
    await run(ROBOT_TOKEN, 'promote', view, app1, lib1, web1, '--reason', 'first delivery', '--yes')
  }
  later(20)
  await publishAll(started, app2, lib2, TOOL)
  await run(ROBOT_TOKEN, 'promote', 'acceptance', app2, lib2, TOOL, '--reason', 'build 42', '--yes')
  later(6)
  await run(JANE_TOKEN, 'promote', 'union', app2, lib2, '--reason', 'acceptance is green', '--yes')
  later(6)
  await run(JANE_TOKEN, 'promote', 'rehearsal', app2, '--reason', 'try the new app alone', '--yes')
  later(12)
  await run(JANE_TOKEN, 'promote', 'delivered', app2, '--reason', 'rehearsed', '--yes')
  later(2)
  await run(JANE_TOKEN, 'rollback', 'delivered', '--reason', '<b>logins</b> fail & customers call', '--yes')
  later(20)
  await publishAll(started, app3, web2)
  await run(ROBOT_TOKEN, 'promote', 'acceptance', app3, web2, '--reason', 'build 57', '--yes')
  later(3)
  await run(JANE_TOKEN, 'promote', 'union', app3, '--yes')
  later(24)
  await publishAll(started, app4)
  await run(ROBOT_TOKEN, 'promote', 'acceptance', app4, '--yes')
  await run(JANE_TOKEN, 'propose', 'promote', 'rehearsal', app3, '--reason', 'ready for the week')
  for (const [commit, ident, phases] of CHANGES) {
    const input = { project: 'acme/app', change: commit.slice(0, 8), commit, targets: [] }
    const { publicId: change } = await depot.writer.submit({ kind: 'recordChange', input, actor })
    await depot.writer.submit({ kind: 'addChangeRelease', input: { change, ident, isRebuild: false }, actor })
    for (const [phase, status, view] of phases)
      await depot.writer.submit({
        kind: 'reportPhase',
        input: {
          change,
          phase,
          status,
          job: `https://ci.example/jobs/${phase}`,
          ...(view !== undefined && { view }),
        },
        actor,
      })
  }
  await run(ADMIN_TOKEN, 'yank', web1, '--reason', 'leaks memory')
  await run(ADMIN_TOKEN, 'freeze', 'delivered', '--reason', 'end of the year')
  await depot.writer.submit({
    kind: 'setGates',
    input: {
      view: 'union',
      gates: { requires: [{ view: 'acceptance', as: 'current', soakMs: 48 * HOUR_MS }], closure: 'view' },
    },
    actor,
  })
})

/** The commits of `acme/app`, with a release and the phases of each. */
const CHANGES: readonly (readonly [
  commit: string,
  ident: string,
  phases: readonly (readonly [phase: string, status: PhaseStatus, view?: string])[],
])[] = [
  [
    '4f1d2c3b5a697887c6d5e4f3a2b1c0d9e8f7a6b5',
    APP[2] ?? '',
    [
      ['lint', 'passed'],
      ['unit', 'passed'],
      ['security', 'not_configured'],
      ['publish', 'passed'],
      ['provision', 'passed', 'acceptance'],
      ['smoke', 'passed', 'acceptance'],
      ['smoke', 'failed', 'union'],
    ],
  ],
  [
    'a1b2c3d4e5f60718293a4b5c6d7e8f9012345678',
    APP[3] ?? '',
    [
      ['lint', 'passed'],
      ['unit', 'passed'],
      ['publish', 'passed'],
      ['deploy', 'running', 'acceptance'],
    ],
  ],
]

/** Starts the depot, with its clock five days after the start of the tests. */
export async function startCompany(t: Test, environment: Record<string, string> = {}): Promise<TestDepot> {
  const { started } = await furnish(t, environment)
  started.setClock(START + 24 * 5 * HOUR_MS)
  return started
}
