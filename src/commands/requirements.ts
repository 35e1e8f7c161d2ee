import type { Session } from '../access/access.ts'
import {
  expectTokenAllows,
  expectAdministrator,
  expectOperator,
  expectOwnAccount,
  expectPromoter,
  expectTokenReachesOrigin,
  expectRole,
  expectMayManageTokensOf,
  expectTokenReachesView,
  expectMayManageTokens,
} from '../access/rights.ts'
import { originOf, parseIdent } from '../package/ident.ts'
import type { CommandKind, Input } from './commands.ts'

// The right that an HTTP caller needs for each command. The writer checks it in the transaction. Handlers
// check the gates of views (views/gates.ts), and rights that depend on rows of the database.

type Requirements = { readonly [K in CommandKind]: (caller: Session, input: Input<K>) => void }

export const requirements: Requirements = {
  setUp: expectOperator,
  saveTokenUses: expectOperator,
  saveDenials: expectOperator,
  saveDeliveries: expectOperator,
  recordRestore: expectOperator,
  resealSecrets: expectOperator,
  setMoving: expectOperator,
  resumeCollection: expectOperator,
  setDamage: expectOperator,
  setScrubPosition: expectOperator,
  markCollected: expectOperator,
  announceReleases: expectOperator,
  refreshChannel: expectOperator,
  recordRefresh: expectOperator,
  recordMirror: expectOperator,

  addAccount: expectAccountMaker,
  disableAccount: expectAdministrator,
  issueToken: (caller, { account }) => expectMayManageTokensOf(caller, account),
  // The handlers check whose token it is. Every token may narrow or revoke itself.
  narrowToken: () => undefined,
  revokeToken: () => undefined,
  setExchangeRule: (caller) => expectMayMakeAnyToken(caller),
  removeExchangeRule: (caller) => expectMayMakeAnyToken(caller),
  exchangeToken: expectOperator,
  signIn: expectOperator,
  beginPageSession: expectOperator,
  keepPageSession: expectOperator,
  endPageSession: expectOperator,
  bindIdentity: (caller) => expectMayMakeAnyToken(caller),
  unbindIdentity: (caller) => expectMayMakeAnyToken(caller),
  setGroupRole: (caller, { origin }) => expectRole(caller, 'administrator', origin, 'manage'),
  changeEmail: (caller, { accountId }) => expectOwnAccount(caller, accountId),
  replaceProfileToken: (caller, { accountId }) => expectMayManageTokens(caller, accountId),
  revokeOwnToken: (caller, { accountId }) => expectMayManageTokens(caller, accountId),

  createOrigin: (caller, { name }) => expectTokenReachesOrigin(caller, name, 'manage'),
  changeOrigin: (caller, { origin }) => expectRole(caller, 'administrator', origin, 'manage'),
  transferOrigin: (caller, { origin, toAnyone = false }) => {
    expectRole(caller, 'owner', origin, 'manage')
    if (toAnyone) expectAdministrator(caller)
  },
  departOrigin: (caller, { origin }) => expectTokenReachesOrigin(caller, origin, 'manage'),
  setQuota: expectAdministrator,
  reserveNames: expectAdministrator,
  deleteOrigin: (caller, { origin }) => expectRole(caller, 'owner', origin, 'manage'),
  adoptOrigin: expectAdministrator,
  disownOrigin: expectAdministrator,
  setMember: (caller, { origin }) => expectRole(caller, 'administrator', origin, 'manage'),
  changeRole: (caller, { origin }) => expectRole(caller, 'administrator', origin, 'manage'),
  removeMember: (caller, { origin }) => expectRole(caller, 'owner', origin, 'manage'),
  invite: (caller, { origin }) => expectRole(caller, 'maintainer', origin, 'manage'),
  // The handlers check that the caller is the invited account or a maintainer.
  acceptInvitation: (caller, { origin }) => expectTokenReachesOrigin(caller, origin, 'manage'),
  ignoreInvitation: (caller, { origin }) => expectTokenReachesOrigin(caller, origin, 'manage'),
  rescindInvitation: (caller, { origin }) => expectTokenReachesOrigin(caller, origin, 'manage'),

  addKey: (caller, { origin }) => expectRole(caller, 'administrator', origin, 'manage'),
  // The role of a reader is enough, because the depot makes the key when a member first reads it.
  storeEncryptionKey: (caller, { origin }) => expectRole(caller, 'readonly_member', origin, 'read'),
  addSecret: (caller, { origin }) => expectRole(caller, 'administrator', origin, 'manage'),
  removeSecret: (caller, { origin }) => expectRole(caller, 'administrator', origin, 'manage'),
  addIntegration: (caller, { origin }) => expectRole(caller, 'maintainer', origin, 'manage'),
  removeIntegration: (caller, { origin }) => expectRole(caller, 'maintainer', origin, 'manage'),

  publishRelease: (caller, { ident }) => expectRole(caller, 'member', ident.origin, 'upload'),
  setVisibility: (caller, { ident }) => expectRole(caller, 'maintainer', parseIdent(ident).origin, 'manage'),
  deleteRelease: (caller, { ident }) => expectRole(caller, 'member', parseIdent(ident).origin, 'manage'),
  markRelease: (caller, { ident }) => expectRole(caller, 'maintainer', parseIdent(ident).origin, 'manage'),
  unmarkRelease: (caller, { ident }) => expectRole(caller, 'maintainer', parseIdent(ident).origin, 'manage'),
  retireReleases: expectAdministrator,
  returnRelease: (caller, { ident }) => expectRole(caller, 'maintainer', originOf(ident), 'manage'),
  // The handlers check the view's gates.
  pinRevision: (caller, { view }) => expectTokenReachesView(caller, view),
  unpinRevision: (caller, { view }) => expectTokenReachesView(caller, view),
  registerLockfile: expectAdministrator,
  unregisterLockfile: expectAdministrator,
  setRetention: (caller, { scope }) => {
    if (scope.of === 'depot' || scope.of === 'view') expectAdministrator(caller)
    else
      expectRole(
        caller,
        'administrator',
        scope.of === 'origin' ? scope.origin : originOf(scope.package),
        'manage',
      )
  },
  makeSettings: (caller, { origin }) => expectRole(caller, 'maintainer', origin, 'manage'),
  changeSettings: (caller, { origin }) => expectRole(caller, 'maintainer', origin, 'manage'),
  removeSettings: (caller, { origin }) => expectRole(caller, 'maintainer', origin, 'manage'),

  createView: expectAdministrator,
  closeView: expectAdministrator,
  setView: expectAdministrator,
  // With an override, the handler checks the gates of the view.
  setGates: (caller, { view, override }) =>
    override === undefined ? expectAdministrator(caller) : expectTokenReachesView(caller, view),
  // The handlers check the view's gates.
  freeze: (caller, { view }) => expectTokenReachesView(caller, view),
  thaw: (caller, { view }) => expectTokenReachesView(caller, view),
  freezeAll: expectAdministrator,
  thawAll: expectAdministrator,
  changeView: (caller, { request }) => expectTokenReachesView(caller, request.view),
  draftPlan: (caller, { request }) => expectTokenReachesView(caller, request.view),
  propose: (caller, { request }) => expectTokenReachesView(caller, request.view),
  // The handler checks the rights for each view and setting that changes.
  applyState: () => undefined,
  // The handlers check the view of the plan.
  applyPlan: (caller) => expectTokenAllows(caller, 'promote'),
  approve: (caller) => expectTokenAllows(caller, 'promote'),
  reject: (caller) => expectTokenAllows(caller, 'promote'),
  makePreview: (caller, { name }) => expectTokenReachesView(caller, name),
  dropPreview: (caller, { name }) => expectTokenReachesView(caller, name),

  promote: (caller, input) => expectPromoterOfAll(caller, input),
  demote: (caller, input) => expectPromoterOfAll(caller, input),
  promoteAll: (caller, { origin, view }) => expectPromoter(caller, origin, view),
  demoteAll: (caller, { origin, view }) => expectPromoter(caller, origin, view),
  declareChannel: (caller, { origin, name }) => expectPromoter(caller, origin, name),
  removeChannel: (caller, { origin, name }) => expectPromoter(caller, origin, name),

  recordChange: (caller, { project }) => expectRole(caller, 'member', originOf(project), 'upload'),
  // The handlers check the origin of the change.
  addChangeRelease: (caller) => expectTokenAllows(caller, 'upload'),
  reportPhase: (caller) => expectTokenAllows(caller, 'upload'),
  takeLease: (caller) => expectTokenAllows(caller, 'upload'),
  renewLease: (caller) => expectTokenAllows(caller, 'upload'),
  endLease: (caller) => expectTokenAllows(caller, 'upload'),

  makeDepotKey: expectAdministrator,
  revokeDepotKey: expectAdministrator,
  trustKey: expectAdministrator,
  distrustKey: expectAdministrator,

  addWebhook: expectAdministrator,
  changeWebhook: expectAdministrator,
  removeWebhook: expectAdministrator,
}

/** A new administrator may do everything, so a narrowed token may not make one. */
function expectAccountMaker(caller: Session, { isAdministrator = false }: Input<'addAccount'>): void {
  expectAdministrator(caller)
  if (isAdministrator) expectMayManageTokens(caller, caller.accountId)
}

/** Rules and identities hand out tokens of any account, so a narrowed token may not change them. */
function expectMayMakeAnyToken(caller: Session): void {
  expectAdministrator(caller)
  expectMayManageTokens(caller, caller.accountId)
}

function expectPromoterOfAll(caller: Session, { view, releases }: Input<'promote'>): void {
  expectTokenReachesView(caller, view)
  for (const origin of new Set(releases.map(({ ident }) => parseIdent(ident).origin)))
    expectPromoter(caller, origin, view)
}
