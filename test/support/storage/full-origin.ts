import { ROLES } from '../../../src/access/access.ts'
import type { Command } from '../../../src/commands/commands.ts'
import { ADMIN_TOKEN } from '../start-depot.ts'
import type { TestDepot } from '../start-depot.ts'

// An account for every role, and origins that have one of everything.

/**
 * The callers of tests about rights: anonymous (`nobody`), with a wrong token (`forger`), without a role
 * (`outsider`), each role, and an administrator of the depot (`depot`).
 */
export const CALLERS = ['nobody', 'forger', 'outsider', ...ROLES, 'depot'] as const
export type CallerName = (typeof CALLERS)[number]

export interface Team {
  /** Returns `null` for anonymous callers. */
  tokenOf(caller: CallerName): string | null
  idOf(account: string): number
}

/** An origin made by {@link createFullOrigin}. */
export interface FullOrigin {
  readonly origin: string
  /** The id of the invitation to `invitee`. */
  readonly invitation: number
}

const ACTOR = { client: 'tests', door: 'cli' } as const

/**
 * Creates the accounts: one named after each role, `outsider`, `mate` (a member of every origin made by
 * {@link createFullOrigin}), `invitee` and `stranger`.
 */
export async function createTeam(started: TestDepot): Promise<Team> {
  const tokens = new Map<CallerName, string | null>([
    ['nobody', null],
    ['forger', 'hart_nobody-was-ever-given-this-token'],
    ['depot', ADMIN_TOKEN],
  ])
  for (const name of ['outsider', ...ROLES] as const) tokens.set(name, await started.account(name))
  for (const name of ['mate', 'invitee', 'stranger']) await started.account(name)
  const rows = await started.depot.db.selectFrom('accounts').select(['id', 'name']).execute()
  const ids = new Map(rows.map(({ id, name }) => [name, id]))
  return { tokenOf: (caller) => tokens.get(caller) ?? null, idOf: (account) => ids.get(account) ?? 0 }
}

/**
 * Creates an origin with a member of every role, an invitation, a key, a secret, an integration and package
 * settings.
 */
export async function createFullOrigin(started: TestDepot, team: Team, origin: string): Promise<FullOrigin> {
  const { writer, secrets } = started.depot
  const submit = (command: Omit<Command, 'actor'>) => writer.submit({ ...command, actor: ACTOR })
  const ownerId = team.idOf('owner')
  await submit({ kind: 'createOrigin', input: { name: origin, ownerId } })
  const members = [
    ...ROLES.filter((role) => role !== 'owner').map((role) => [role, role] as const),
    ['mate', 'member'] as const,
  ]
  const joined = members.map(([account, role]) =>
    submit({ kind: 'setMember', input: { origin, account, role } }),
  )
  const invited = writer.submit({
    kind: 'invite',
    input: { origin, account: 'invitee', inviterId: ownerId },
    actor: ACTOR,
  })
  const others = [
    submit({
      kind: 'addKey',
      input: {
        origin,
        revision: '20250101000000',
        ownerId,
        publicBody: 'the public key',
        secretBody: secrets.seal('the secret key', `origin secret key ${origin}-20250101000000`),
      },
    }),
    submit({
      kind: 'addSecret',
      input: {
        origin,
        name: 'password',
        ownerId,
        sealed: secrets.seal('BOX-1', `origin secret ${origin} password`),
      },
    }),
    submit({
      kind: 'addIntegration',
      input: {
        origin,
        type: 'docker',
        name: 'hub',
        sealed: secrets.seal('{"username":"us","password":"pw"}', `integration ${origin} docker hub`),
      },
    }),
    submit({ kind: 'makeSettings', input: { origin, name: 'app', ownerId } }),
  ]
  await Promise.all([...joined, ...others])
  return { origin, invitation: (await invited).id }
}
