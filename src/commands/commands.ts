import { addAccount } from './accounts/add-account.ts'
import { disableAccount } from './accounts/disable-account.ts'
import { narrowToken, saveTokenUses } from './accounts/change-token.ts'
import { removeExchangeRule, setExchangeRule } from './accounts/exchange-rules.ts'
import { exchangeToken } from './accounts/exchange-token.ts'
import { saveDenials } from './accounts/save-denials.ts'
import { bindIdentity, unbindIdentity } from './accounts/identities.ts'
import { beginPageSession, endPageSession, keepPageSession } from './accounts/page-sessions.ts'
import { signIn } from './accounts/sign-in.ts'
import { setGroupRole } from './origins/set-group-role.ts'
import { issueToken, revokeToken } from './accounts/issue-token.ts'
import type { Actor } from '../access/access.ts'
import { changeEmail, replaceProfileToken, revokeOwnToken } from './accounts/profile.ts'
import { markCollected } from '../blobs/mark-collected.ts'
import { setDamage } from '../blobs/set-damage.ts'
import { setScrubPosition } from '../blobs/set-scrub-position.ts'
import { addChangeRelease } from './changes/add-release.ts'
import { endLease, renewLease, takeLease } from './changes/lease.ts'
import { resealSecrets } from './reseal-secrets.ts'
import { setMoving } from './set-moving.ts'
import { recordChange } from './changes/record-change.ts'
import { reportPhase } from './changes/report-phase.ts'
import { makeDepotKey, revokeDepotKey } from './lockfiles/make-depot-key.ts'
import { distrustKey, trustKey } from './lockfiles/trust-key.ts'
import { addKey } from './origins/add-key.ts'
import { adoptOrigin, disownOrigin } from './origins/adopt-origin.ts'
import { changeRole, removeMember } from './origins/change-member.ts'
import { changeOrigin } from './origins/change-origin.ts'
import { createOrigin } from './origins/create-origin.ts'
import { deleteOrigin } from './origins/delete-origin.ts'
import { departOrigin } from './origins/depart.ts'
import { addIntegration, removeIntegration } from './origins/integration.ts'
import { acceptInvitation, ignoreInvitation, invite, rescindInvitation } from './origins/invite.ts'
import { storeEncryptionKey } from './origins/store-encryption-key.ts'
import { addSecret, removeSecret } from './origins/origin-secret.ts'
import { reserveNames } from './origins/reserve-names.ts'
import { setMember } from './origins/set-member.ts'
import { setQuota } from './origins/set-quota.ts'
import { transferOrigin } from './origins/transfer.ts'
import { deleteRelease } from './releases/delete-release.ts'
import { markRelease, unmarkRelease } from './releases/marks.ts'
import { publishRelease } from './releases/publish-release.ts'
import { setVisibility } from './releases/set-visibility.ts'
import { changeSettings, makeSettings, removeSettings } from './releases/settings.ts'
import { announceReleases } from './upstream/announce-releases.ts'
import { recordMirror, recordRefresh, refreshChannel } from './upstream/refresh-channel.ts'
import { pinRevision, unpinRevision } from './retention/pin.ts'
import { registerLockfile, unregisterLockfile } from './retention/register-lockfile.ts'
import { retireReleases } from './retention/retire-releases.ts'
import { returnRelease } from './retention/return-release.ts'
import { setRetention } from './retention/set-rule.ts'
import { declareChannel, removeChannel } from './views/channel.ts'
import { applyPlan, approve, draftPlan, propose, reject } from './views/apply-plan.ts'
import { applyState } from './views/apply-state.ts'
import { closeView } from './views/close-view.ts'
import { createView } from './views/create-view.ts'
import { freeze, freezeAll, thaw, thawAll } from './views/freeze.ts'
import { setGates } from './views/set-gates.ts'
import { dropPreview, makePreview } from './views/preview.ts'
import { setView } from './views/set-view.ts'
import { demoteAll, promoteAll } from './views/promote-all.ts'
import { changeView, demote, promote } from './views/promote.ts'
import { addWebhook } from './webhooks/add-webhook.ts'
import { changeWebhook, removeWebhook } from './webhooks/change-webhook.ts'
import { saveDeliveries } from './webhooks/save-deliveries.ts'
import { resumeCollection, recordRestore } from './record-restore.ts'
import { setUp } from './set-up.ts'

/**
 * The handlers of all commands. Inputs and outcomes can be serialized as JSON, because commands also arrive
 * over the control socket.
 */
export const handlers = {
  setUp,
  addAccount,
  disableAccount,
  issueToken,
  narrowToken,
  revokeToken,
  saveTokenUses,
  setExchangeRule,
  removeExchangeRule,
  exchangeToken,
  saveDenials,
  signIn,
  beginPageSession,
  keepPageSession,
  endPageSession,
  bindIdentity,
  unbindIdentity,
  setGroupRole,
  changeEmail,
  replaceProfileToken,
  revokeOwnToken,
  createOrigin,
  changeOrigin,
  transferOrigin,
  departOrigin,
  deleteOrigin,
  adoptOrigin,
  disownOrigin,
  setQuota,
  reserveNames,
  setMember,
  changeRole,
  removeMember,
  invite,
  acceptInvitation,
  ignoreInvitation,
  rescindInvitation,
  addKey,
  storeEncryptionKey,
  addSecret,
  removeSecret,
  addIntegration,
  removeIntegration,
  publishRelease,
  setVisibility,
  deleteRelease,
  markRelease,
  unmarkRelease,
  retireReleases,
  returnRelease,
  pinRevision,
  unpinRevision,
  registerLockfile,
  unregisterLockfile,
  setRetention,
  makeSettings,
  changeSettings,
  removeSettings,
  announceReleases,
  refreshChannel,
  recordRefresh,
  recordMirror,
  createView,
  closeView,
  setView,
  setGates,
  freeze,
  thaw,
  freezeAll,
  thawAll,
  promote,
  demote,
  changeView,
  draftPlan,
  applyPlan,
  applyState,
  propose,
  approve,
  reject,
  makePreview,
  dropPreview,
  promoteAll,
  demoteAll,
  declareChannel,
  removeChannel,
  recordChange,
  addChangeRelease,
  reportPhase,
  takeLease,
  renewLease,
  endLease,
  resealSecrets,
  setMoving,
  makeDepotKey,
  revokeDepotKey,
  trustKey,
  distrustKey,
  addWebhook,
  changeWebhook,
  removeWebhook,
  saveDeliveries,
  recordRestore,
  resumeCollection,
  setDamage,
  setScrubPosition,
  markCollected,
}

export type CommandKind = keyof typeof handlers
export type Input<K extends CommandKind> = Parameters<(typeof handlers)[K]>[1]
export type Outcome<K extends CommandKind> = Awaited<ReturnType<(typeof handlers)[K]>>

/** A command for the writer's queue, submitted by the depot or over the control socket. */
export interface Command<K extends CommandKind = CommandKind> {
  readonly kind: K
  readonly input: Input<K>
  readonly actor: Actor
}

/** A queue to which commands are submitted: the writer, or a client of its thread. */
export interface CommandQueue {
  /**
   * Runs a command and resolves with its outcome once it is committed. Rejects with the error of the handler,
   * or of the check of the caller's rights.
   */
  submit<K extends CommandKind>(command: Command<K>): Promise<Outcome<K>>
}

export function isCommandKind(text: string): text is CommandKind {
  return Object.hasOwn(handlers, text)
}
