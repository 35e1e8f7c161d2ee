import tap, { test } from 'tap'
import { ROLES } from '../../src/access/access.ts'
import type { Scope, Session } from '../../src/access/access.ts'
import type { CommandKind, Input } from '../../src/commands/commands.ts'
import { handlers } from '../../src/commands/commands.ts'
import { requirements } from '../../src/commands/requirements.ts'
import { makeReleases } from '../support/release-rows.ts'
import { START, startDepot } from '../support/start-depot.ts'
import { parseIdent } from '../../src/package/ident.ts'

// Rights are checked again at commit, for every kind of command.

const OPERATOR = { client: 'tests', door: 'cli' } as const
const IDENT = 'acme/app/1.0.0/20260101120000'
const release = { ident: IDENT, target: 'x86_64-linux' } as const
const named = { origin: 'acme', name: 'app' }
const request = { view: 'acceptance', act: 'promote', source: { releases: [release] } } as const
const metadata = {
  target: 'x86_64-linux',
  manifest: '',
  config: '',
  exposes: [],
  deps: [],
  tdeps: [],
  buildDeps: [],
  buildTdeps: [],
  packageType: 'standard',
  svcUser: undefined,
  svcGroup: undefined,
} as const

/** An input for every kind of command, about the origin `acme`, the view `acceptance` and the account 1. */
const INPUTS: { readonly [K in CommandKind]: Input<K> } = {
  setUp: { adminTokenHash: undefined },
  addAccount: { name: 'new' },
  issueToken: { account: 'admin', hash: 'hash', label: 'label' },
  disableAccount: { account: 'ci', isDisabled: true },
  narrowToken: { tokenId: 1, scope: {} },
  revokeToken: { tokenId: 1 },
  setExchangeRule: {
    name: 'job',
    provider: 'github',
    issuer: 'https://token.actions.githubusercontent.com',
    claims: { repository_id: ['1'] },
    account: 'ci',
    scope: { actions: ['upload'] },
    lifetimeMs: 60_000,
  },
  removeExchangeRule: { name: 'job' },
  exchangeToken: {
    idToken: { issuer: 'https://gitlab.com', subject: 'job', claims: {}, hash: 'of the token', expiresAt: 0 },
    hash: 'another hash',
  },
  signIn: {
    person: { issuer: 'https://login.example', subject: '1', name: 'new', groups: [] },
    hash: 'hash of a person',
    makesAccounts: true,
  },
  beginPageSession: { hash: 'of a cookie', tokenId: 1, ownsToken: false },
  keepPageSession: { hash: 'of a cookie' },
  endPageSession: { hash: 'of a cookie' },
  bindIdentity: { account: 'ci', issuer: 'https://login.example', subject: '1' },
  unbindIdentity: { account: 'ci', issuer: 'https://login.example', subject: '1' },
  setGroupRole: { origin: 'acme', group: 'payments', role: 'member' },
  saveTokenUses: { uses: [] },
  saveDenials: { denials: [] },
  saveDeliveries: { webhooks: [] },
  recordRestore: { incarnation: '0123456789abcdef' },
  resealSecrets: { key: '01234567', secrets: [] },
  setMoving: { reason: undefined },
  resumeCollection: {},
  setDamage: { checksum: 'none' },
  setScrubPosition: { scrubbedTo: '', begunAt: 0 },
  markCollected: { checksums: [] },
  announceReleases: { origin: 'acme', upstream: 'https://bldr.example', releases: [] },
  refreshChannel: { origin: 'acme', channel: 'stable', joining: [], leaving: [], reason: '' },
  recordRefresh: { origin: 'acme', channel: 'stable' },
  recordMirror: { status: '{}' },
  changeEmail: { accountId: 1, email: 'a@b' },
  replaceProfileToken: { accountId: 1, hash: 'other hash' },
  revokeOwnToken: { accountId: 1, tokenId: 1 },
  createOrigin: { name: 'umbrella', ownerId: 1 },
  changeOrigin: { origin: 'acme', defaultVisibility: 'private' },
  transferOrigin: { origin: 'acme', account: 'ci' },
  departOrigin: { origin: 'acme', account: 'ci', accountId: 1 },
  deleteOrigin: { origin: 'acme' },
  adoptOrigin: { origin: 'core', upstream: 'https://bldr.example' },
  disownOrigin: { origin: 'core' },
  setQuota: { origin: 'acme', bytes: 1 },
  reserveNames: { add: ['secret-*'] },
  setMember: { origin: 'acme', account: 'ci', role: 'member' },
  changeRole: { origin: 'acme', account: 'ci', role: 'member', actorId: 1 },
  removeMember: { origin: 'acme', account: 'ci' },
  invite: { origin: 'acme', account: 'ci', inviterId: 1 },
  acceptInvitation: { origin: 'acme', invitationId: 1 },
  ignoreInvitation: { origin: 'acme', invitationId: 1 },
  rescindInvitation: { origin: 'acme', invitationId: 1 },
  addKey: { origin: 'acme', revision: '20260101000000', ownerId: 1, publicBody: '' },
  storeEncryptionKey: {
    origin: 'acme',
    revision: '20260101000000',
    ownerId: 1,
    publicBody: '',
    secretBody: '',
  },
  addSecret: { ...named, sealed: '', ownerId: 1 },
  removeSecret: named,
  addIntegration: { ...named, type: 'docker', sealed: '' },
  removeIntegration: { ...named, type: 'docker' },
  publishRelease: {
    ident: parseIdent('acme/new/1.0.0/20260101120000'),
    metadata,
    checksum: 'a'.repeat(64),
    sizeBytes: 1,
    signer: 'acme-20260101000000',
    isVerified: true,
    publisherId: 1,
    isForced: false,
  },
  setVisibility: { ident: IDENT, visibility: 'private' },
  deleteRelease: release,
  markRelease: { ...release, mark: 'yanked', reason: 'it is broken' },
  unmarkRelease: { ...release, mark: 'yanked' },
  retireReleases: { releases: [], quarantineMs: 0, isDaily: false },
  returnRelease: release,
  pinRevision: { view: 'acceptance', revision: 0, reason: 'the fair' },
  unpinRevision: { view: 'acceptance', revision: 0 },
  registerLockfile: { name: 'fair', digest: '', view: 'acceptance', revision: 0, releases: [] },
  unregisterLockfile: { name: 'fair' },
  setRetention: { scope: { of: 'origin', origin: 'acme' }, rule: { keepLast: 1 } },
  makeSettings: { ...named, ownerId: 1 },
  changeSettings: { ...named, visibility: 'private' },
  removeSettings: named,
  closeView: { view: 'acceptance' },
  createView: { name: 'new', rule: 'promoted', maker: 'operator' },
  setView: { view: 'acceptance', ungoverned: [] },
  setGates: { view: 'acceptance', gates: {} },
  freeze: { view: 'acceptance', reason: 'audit' },
  thaw: { view: 'acceptance' },
  freezeAll: { reason: 'audit' },
  thawAll: {},
  promote: { view: 'acceptance', releases: [release] },
  demote: { view: 'acceptance', releases: [release] },
  changeView: { request },
  draftPlan: { token: 'plan', request },
  applyPlan: { plan: 'plan', nextToken: 'next' },
  applyState: { views: [] },
  propose: { token: 'plan', request },
  approve: { plan: 'plan', nextToken: 'next' },
  reject: { plan: 'plan' },
  makePreview: { name: 'preview', plan: 'plan' },
  dropPreview: { name: 'preview' },
  promoteAll: { origin: 'acme', source: 'unstable', view: 'acceptance', ownerId: 1 },
  demoteAll: { origin: 'acme', source: 'stable', view: 'acceptance', ownerId: 1 },
  declareChannel: { origin: 'acme', name: 'acceptance', ownerId: 1 },
  removeChannel: { origin: 'acme', name: 'acceptance' },
  makeDepotKey: { publicKey: '', sealed: '', isFirst: false },
  revokeDepotKey: { key: 'none' },
  trustKey: { name: 'other', publicKey: '' },
  distrustKey: { name: 'other' },
  recordChange: { project: 'acme/app', change: 'c1', commit: 'c1', targets: [] },
  addChangeRelease: { change: 'none', ident: 'acme/app/1.0.0/20260101120000', isRebuild: false },
  reportPhase: { change: 'none', phase: 'unit', status: 'passed' },
  takeLease: { change: 'none', phase: 'unit', holder: 'job', isTakeover: false },
  renewLease: { change: 'none', phase: 'unit', fence: 1 },
  endLease: { change: 'none', phase: 'unit', fence: 1 },
  addWebhook: { name: 'hook', key: 'key', host: 'host', sealedUrl: '', sealedSecret: '', filter: {} },
  changeWebhook: { webhook: 'hook' },
  removeWebhook: { webhook: 'hook' },
}

/**
 * What each kind of command requires of a session: an action and a role in `acme`, or the operator. Handlers
 * may require more.
 */
const NEEDS: Readonly<Record<CommandKind, string>> = {
  setUp: 'nobody',
  addAccount: 'manage depot',
  disableAccount: 'manage depot',
  issueToken: 'manage whole depot',
  narrowToken: 'any token',
  applyState: 'any token',
  revokeToken: 'any token',
  setExchangeRule: 'manage whole depot',
  removeExchangeRule: 'manage whole depot',
  exchangeToken: 'nobody',
  signIn: 'nobody',
  beginPageSession: 'nobody',
  keepPageSession: 'nobody',
  endPageSession: 'nobody',
  bindIdentity: 'manage whole depot',
  unbindIdentity: 'manage whole depot',
  setGroupRole: 'manage administrator',
  saveTokenUses: 'nobody',
  saveDenials: 'nobody',
  saveDeliveries: 'nobody',
  recordRestore: 'nobody',
  resealSecrets: 'nobody',
  setMoving: 'nobody',
  resumeCollection: 'nobody',
  setDamage: 'nobody',
  setScrubPosition: 'nobody',
  markCollected: 'nobody',
  announceReleases: 'nobody',
  refreshChannel: 'nobody',
  recordRefresh: 'nobody',
  recordMirror: 'nobody',
  changeEmail: 'manage account',
  replaceProfileToken: 'manage whole account',
  revokeOwnToken: 'manage whole account',
  createOrigin: 'manage anyone',
  departOrigin: 'manage anyone',
  acceptInvitation: 'manage anyone',
  ignoreInvitation: 'manage anyone',
  rescindInvitation: 'manage anyone',
  changeOrigin: 'manage administrator',
  transferOrigin: 'manage owner',
  deleteOrigin: 'manage owner',
  adoptOrigin: 'manage depot',
  disownOrigin: 'manage depot',
  setQuota: 'manage depot',
  reserveNames: 'manage depot',
  setMember: 'manage administrator',
  changeRole: 'manage administrator',
  removeMember: 'manage owner',
  invite: 'manage maintainer',
  addKey: 'manage administrator',
  storeEncryptionKey: 'read readonly_member',
  addSecret: 'manage administrator',
  removeSecret: 'manage administrator',
  addIntegration: 'manage maintainer',
  removeIntegration: 'manage maintainer',
  publishRelease: 'upload member',
  setVisibility: 'manage maintainer',
  deleteRelease: 'manage member',
  markRelease: 'manage maintainer',
  unmarkRelease: 'manage maintainer',
  retireReleases: 'manage depot',
  returnRelease: 'manage maintainer',
  pinRevision: 'promote view',
  unpinRevision: 'promote view',
  registerLockfile: 'manage depot',
  unregisterLockfile: 'manage depot',
  setRetention: 'manage administrator',
  makeSettings: 'manage maintainer',
  changeSettings: 'manage maintainer',
  removeSettings: 'manage maintainer',
  createView: 'manage depot',
  closeView: 'manage depot',
  setView: 'manage depot',
  setGates: 'manage depot',
  makeDepotKey: 'manage depot',
  revokeDepotKey: 'manage depot',
  trustKey: 'manage depot',
  distrustKey: 'manage depot',
  recordChange: 'upload member',
  addChangeRelease: 'upload any origin',
  reportPhase: 'upload any origin',
  takeLease: 'upload any origin',
  renewLease: 'upload any origin',
  endLease: 'upload any origin',
  addWebhook: 'manage depot',
  changeWebhook: 'manage depot',
  removeWebhook: 'manage depot',
  freezeAll: 'manage depot',
  thawAll: 'manage depot',
  freeze: 'promote view',
  thaw: 'promote view',
  changeView: 'promote view',
  draftPlan: 'promote view',
  propose: 'promote view',
  makePreview: 'promote view',
  dropPreview: 'promote view',
  applyPlan: 'promote any view',
  approve: 'promote any view',
  reject: 'promote any view',
  promote: 'promote maintainer',
  demote: 'promote maintainer',
  promoteAll: 'promote maintainer',
  demoteAll: 'promote maintainer',
  declareChannel: 'promote maintainer',
  removeChannel: 'promote maintainer',
}
const KINDS = Object.keys(handlers) as CommandKind[]

function sessionOf(role: string, scope: Scope = {}): Session {
  const roles = (ROLES as readonly string[]).includes(role)
    ? { acme: role as Session['roles'] extends ReadonlyMap<string, infer R> ? R : never }
    : {}
  return {
    accountId: 1,
    accountName: 'someone',
    isAdministrator: role === 'depot',
    tokenId: 1,
    scope,
    expiresAt: undefined,
    groups: [],
    roles: new Map(Object.entries(roles)),
  }
}

const SCOPES: Readonly<Record<string, Scope>> = {
  whole: {},
  ...Object.fromEntries(
    (['read', 'upload', 'promote', 'manage'] as const).map((action) => [action, { actions: [action] }]),
  ),
  'to acme': { origins: ['acme'] },
  'to another origin': { origins: ['other'] },
  'to acceptance': { views: ['acceptance'] },
  'to another view': { views: ['other'] },
}

function mayBegin(kind: CommandKind, role: string, scope: Scope): boolean {
  if (NEEDS[kind] === 'any token') return true
  const [action = '', ...rest] = NEEDS[kind].split(' ')
  const least = rest.join(' ')
  if (
    action === 'nobody' ||
    (scope.actions !== undefined && !(scope.actions as readonly string[]).includes(action))
  )
    return false
  const isNarrowed = scope.origins !== undefined || scope.views !== undefined
  if (least === 'depot') return role === 'depot' && !isNarrowed
  if (least === 'whole depot') return role === 'depot' && Object.keys(scope).length === 0
  if (least === 'account') return !isNarrowed
  if (least === 'whole account') return Object.keys(scope).length === 0
  const origin = kind === 'createOrigin' ? 'umbrella' : 'acme'
  if (!/view$|^any origin$/.test(least) && scope.origins !== undefined && !scope.origins.includes(origin))
    return false
  const view = kind === 'makePreview' || kind === 'dropPreview' ? 'preview' : 'acceptance'
  if (
    action === 'promote' &&
    least !== 'any view' &&
    scope.views !== undefined &&
    !scope.views.includes(view)
  )
    return false
  if (['anyone', 'any origin'].includes(least) || least.endsWith('view')) return true
  const rank = role === 'depot' ? ROLES.length : (ROLES as readonly string[]).indexOf(role)
  return rank >= (ROLES as readonly string[]).indexOf(least)
}

test('every command checks the action and role in its row, for every role and narrowed token', async (t) => {
  for (const kind of KINDS) {
    const ask = requirements[kind] as (caller: Session, input: unknown) => void
    for (const role of ['stranger', ...ROLES, 'depot']) {
      for (const [how, scope] of Object.entries(SCOPES)) {
        const what = `${kind}: ${role}, ${how}`
        if (mayBegin(kind, role, scope)) t.doesNotThrow(() => ask(sessionOf(role, scope), INPUTS[kind]), what)
        else t.throws(() => ask(sessionOf(role, scope), INPUTS[kind]), { code: 'forbidden' }, what)
      }
    }
  }
})

const started = await startDepot(tap)
const { writer, db } = started.depot
await started.account('owner')
await writer.submit({ kind: 'createOrigin', input: { name: 'acme', ownerId: 2 }, actor: OPERATOR })
await makeReleases(started, IDENT)
const head = async () =>
  db
    .selectFrom('ledger')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()

test('commands with a revoked or expired token change nothing', async (t) => {
  const [revoked, expired] = [await started.actor('admin'), await started.actor('admin')]
  await writer.submit({ kind: 'revokeToken', input: { tokenId: revoked.tokenId }, actor: OPERATOR })
  const { tokenId } = await writer.submit({
    kind: 'issueToken',
    input: { account: 'admin', hash: 'soon', label: 'test', expiresAt: START + 60_000 },
    actor: OPERATOR,
  })
  started.setClock(START + 60_000)
  const before = await head()
  for (const actor of [revoked, { ...expired, tokenId }, { ...expired, tokenId: 999 }]) {
    for (const kind of KINDS)
      await t.rejects(writer.submit({ kind, input: INPUTS[kind], actor }), { code: 'unauthenticated' }, kind)
  }
  t.strictSame(await head(), before)
})

test('a token expires by the wall clock even if commit times are ahead of it', async (t) => {
  started.setClock(START + 7_200_000)
  await writer.submit({ kind: 'addAccount', input: { name: 'ahead' }, actor: OPERATOR })
  started.setClock(START + 120_000) // the clock is corrected
  const { tokenId } = await writer.submit({
    kind: 'issueToken',
    input: { account: 'admin', hash: 'later', label: 'test', expiresAt: START + 3_600_000 },
    actor: OPERATOR,
  })
  const actor = { accountId: 1, tokenId, client: 'tests', door: 'api' } as const
  t.match(await writer.submit({ kind: 'createOrigin', input: { name: 'in-time', ownerId: 1 }, actor }), {
    name: 'in-time',
  })
})

test('commands that wait behind a loss of rights are refused', async (t) => {
  await started.account('dev')
  const actor = await started.actor('dev')
  const setRole = (role: 'maintainer' | null) =>
    writer.submit({ kind: 'setMember', input: { origin: 'acme', account: 'dev', role }, actor: OPERATOR })
  const promote = (view: string) =>
    writer.submit({ kind: 'promote', input: { view, releases: [release] }, actor })
  const came = await Promise.allSettled([
    promote('acceptance'),
    setRole('maintainer'),
    promote('acceptance'),
    setRole(null),
    promote('union'),
    promote('union'),
  ])
  t.strictSame(
    came.map(({ status }) => status),
    ['rejected', 'fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected'],
  )
  t.match(came[4], { reason: { code: 'forbidden' } })
  const revoked = await Promise.allSettled([
    setRole('maintainer'),
    promote('union'),
    writer.submit({ kind: 'revokeToken', input: { tokenId: actor.tokenId }, actor: OPERATOR }),
    promote('rehearsal'),
  ])
  t.strictSame(
    revoked.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'rejected'],
  )
})

test('a repeated request gets its stored answer only with a valid token and the rights that the change needs', async (t) => {
  await started.account('pipeline')
  const actor = await started.actor('pipeline')
  const setRole = (role: 'maintainer' | 'member') =>
    writer.submit({
      kind: 'setMember',
      input: { origin: 'acme', account: 'pipeline', role },
      actor: OPERATOR,
    })
  await setRole('maintainer')
  const idempotency = { key: 'once', requestHash: 'a' }
  const change = () =>
    writer.submit({
      kind: 'changeView',
      input: { request: { ...request, view: 'delivered' }, idempotency },
      actor,
    })
  const done = await change()
  t.strictSame(await change(), done)
  await setRole('member')
  await t.rejects(change(), { code: 'forbidden' })
  await setRole('maintainer')
  t.strictSame(await change(), done)
  await writer.submit({ kind: 'revokeToken', input: { tokenId: actor.tokenId }, actor: OPERATOR })
  await t.rejects(change(), { code: 'unauthenticated' })
})
