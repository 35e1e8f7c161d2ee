import type { Entries } from './entry.ts'

/** Commands of origins, keys, accounts, tokens, upstream and webhooks. */
export const ADMINISTRATION: Entries = {
  'Origins, keys, accounts and tokens': [
    {
      name: 'origin list',
      summary: 'list the origins',
      load: async () => (await import('../remote/origins/origins.ts')).originList,
    },
    {
      name: 'origin create',
      summary: 'create an origin',
      load: async () => (await import('../remote/origins/origins.ts')).originCreate,
    },
    {
      name: 'origin show',
      summary: 'show an origin and its packages',
      load: async () => (await import('../remote/origins/origins.ts')).originShow,
    },
    {
      name: 'origin delete',
      summary: 'delete an empty origin',
      load: async () => (await import('../remote/origins/origins.ts')).originDelete,
    },
    {
      name: 'origin members',
      summary: 'list the members of an origin',
      load: async () => (await import('../remote/origins/origins.ts')).originMembers,
    },
    {
      name: 'origin add-member',
      summary: 'give an account a role in an origin',
      load: async () => (await import('../remote/origins/origins.ts')).originAddMember,
    },
    {
      name: 'origin remove-member',
      summary: 'take the role of an account in an origin',
      load: async () => (await import('../remote/origins/origins.ts')).originRemoveMember,
    },
    {
      name: 'origin groups',
      summary: 'list the groups with a role in an origin',
      load: async () => (await import('../remote/origins/origin-groups.ts')).originGroups,
    },
    {
      name: 'origin add-group',
      summary: 'give a group of the single sign-on a role',
      load: async () => (await import('../remote/origins/origin-groups.ts')).originAddGroup,
    },
    {
      name: 'origin remove-group',
      summary: 'take the role of a group in an origin',
      load: async () => (await import('../remote/origins/origin-groups.ts')).originRemoveGroup,
    },
    {
      name: 'origin change',
      summary: 'set who sees new packages of an origin',
      load: async () => (await import('../remote/origins/origins.ts')).originChange,
    },
    {
      name: 'origin transfer',
      summary: 'give an origin to another account',
      load: async () => (await import('../remote/origins/origins.ts')).originTransfer,
    },
    {
      name: 'origin leave',
      summary: 'end your membership of an origin',
      load: async () => (await import('../remote/origins/origins.ts')).originLeave,
    },
    {
      name: 'origin invite',
      summary: 'ask an account to join an origin',
      load: async () => (await import('../remote/origins/invitations.ts')).originInvite,
    },
    {
      name: 'origin invitations',
      summary: 'list your invitations, or those of an origin',
      load: async () => (await import('../remote/origins/invitations.ts')).originInvitations,
    },
    {
      name: 'origin accept',
      summary: 'join an origin that invites you',
      load: async () => (await import('../remote/origins/invitations.ts')).originAccept,
    },
    {
      name: 'origin ignore',
      summary: 'hide an invitation to an origin',
      load: async () => (await import('../remote/origins/invitations.ts')).originIgnore,
    },
    {
      name: 'origin rescind',
      summary: 'withdraw an invitation to an origin',
      load: async () => (await import('../remote/origins/invitations.ts')).originRescind,
    },
    {
      name: 'origin reserve',
      summary: 'reserve names of origins for administrators',
      load: async () => (await import('../remote/origins/reserved-names.ts')).originReserve,
    },
    {
      name: 'origin unreserve',
      summary: 'end the reservation of names of origins',
      load: async () => (await import('../remote/origins/reserved-names.ts')).originUnreserve,
    },
    {
      name: 'origin reserved',
      summary: 'list the reserved names of origins',
      load: async () => (await import('../remote/origins/reserved-names.ts')).originReserved,
    },
    {
      name: 'storage',
      summary: 'show how much releases take, by origin, package and month',
      load: async () => (await import('../remote/origins/storage.ts')).storage,
    },
    {
      name: 'quota set',
      summary: 'limit the bytes of an origin or of the depot',
      load: async () => (await import('../remote/origins/storage.ts')).quotaSet,
    },
    {
      name: 'quota remove',
      summary: 'end the limit of an origin or of the depot',
      load: async () => (await import('../remote/origins/storage.ts')).quotaRemove,
    },
    {
      name: 'key list',
      summary: 'list the public keys of an origin',
      load: async () => (await import('../remote/origins/keys.ts')).keyList,
    },
    {
      name: 'key upload',
      summary: 'add a public key to its origin',
      load: async () => (await import('../remote/origins/keys.ts')).keyUpload,
    },
    {
      name: 'key download',
      summary: 'print a public key of an origin',
      load: async () => (await import('../remote/origins/keys.ts')).keyDownload,
    },
    {
      name: 'key upload-secret',
      summary: 'share a secret key with the members of its origin',
      load: async () => (await import('../remote/origins/keys.ts')).keyUploadSecret,
    },
    {
      name: 'key download-secret',
      summary: 'print the newest secret key of an origin',
      load: async () => (await import('../remote/origins/keys.ts')).keyDownloadSecret,
    },
    {
      name: 'account add',
      summary: 'create an account',
      load: async (isRemote) =>
        isRemote
          ? (await import('../remote/accounts/accounts.ts')).accountAdd
          : (await import('../local/accounts/accounts.ts')).accountAdd,
    },
    {
      name: 'account list',
      summary: 'list the accounts',
      load: async (isRemote) =>
        isRemote
          ? (await import('../remote/accounts/accounts.ts')).accountList
          : (await import('../local/accounts/accounts.ts')).accountList,
    },
    {
      name: 'account disable',
      summary: 'refuse all tokens of an account',
      load: async () => (await import('../remote/accounts/accounts.ts')).accountDisable,
    },
    {
      name: 'account enable',
      summary: 'accept the tokens of a disabled account again',
      load: async () => (await import('../remote/accounts/accounts.ts')).accountEnable,
    },
    {
      name: 'account bind',
      summary: 'let a person of the single sign-on use an account',
      load: async () => (await import('../remote/accounts/identities.ts')).accountBind,
    },
    {
      name: 'account unbind',
      summary: 'end that',
      load: async () => (await import('../remote/accounts/identities.ts')).accountUnbind,
    },
    {
      name: 'account identities',
      summary: 'list the people who may sign in as an account',
      load: async () => (await import('../remote/accounts/identities.ts')).accountIdentities,
    },
    {
      name: 'exchange-rule list',
      summary: 'list the rules by which jobs get tokens',
      load: async () => (await import('../remote/accounts/exchange-rules.ts')).exchangeRuleList,
    },
    {
      name: 'exchange-rule set',
      summary: 'let jobs of a CI system get tokens',
      load: async () => (await import('../remote/accounts/exchange-rules.ts')).exchangeRuleSet,
    },
    {
      name: 'exchange-rule remove',
      summary: 'give these jobs no more tokens',
      load: async () => (await import('../remote/accounts/exchange-rules.ts')).exchangeRuleRemove,
    },
    {
      name: 'token add',
      summary: 'create a token for an account, and print it',
      load: async (isRemote) =>
        isRemote
          ? (await import('../remote/accounts/tokens.ts')).tokenAdd
          : (await import('../local/accounts/tokens.ts')).tokenAdd,
    },
    {
      name: 'token list',
      summary: 'list all tokens, or the tokens of one account, without their secrets',
      load: async (isRemote) =>
        isRemote
          ? (await import('../remote/accounts/tokens.ts')).tokenList
          : (await import('../local/accounts/tokens.ts')).tokenList,
    },
    {
      name: 'token revoke',
      summary: 'revoke a token, at once and for good; hart-depot token list shows the IDs',
      load: async (isRemote) =>
        isRemote
          ? (await import('../remote/accounts/tokens.ts')).tokenRevoke
          : (await import('../local/accounts/tokens.ts')).tokenRevoke,
    },
  ],
  Upstream: [
    {
      name: 'upstream status',
      summary: 'show how up to date the channels of upstream are',
      load: async () => (await import('../remote/upstream/upstream.ts')).upstreamStatus,
    },
    {
      name: 'upstream refresh',
      summary: 'refresh channels of upstream origins now',
      load: async () => (await import('../remote/upstream/upstream.ts')).upstreamRefresh,
    },
    {
      name: 'mirror',
      summary: 'fetch what the mirror should keep, or show what it would fetch',
      load: async () => (await import('../remote/upstream/mirror.ts')).mirror,
    },
  ],
  Webhooks: [
    {
      name: 'webhook list',
      summary: 'list the webhooks',
      load: async () => (await import('../remote/following/webhooks.ts')).webhookList,
    },
    {
      name: 'webhook add',
      summary: 'create a webhook, and print its secret',
      load: async () => (await import('../remote/following/webhooks.ts')).webhookAdd,
    },
    {
      name: 'webhook show',
      summary: 'show a webhook and its state',
      load: async () => (await import('../remote/following/webhooks.ts')).webhookShow,
    },
    {
      name: 'webhook change',
      summary: 'send a webhook elsewhere, or other entries',
      load: async () => (await import('../remote/following/webhooks.ts')).webhookChange,
    },
    {
      name: 'webhook pause',
      summary: 'pause a webhook',
      load: async () => (await import('../remote/following/webhooks.ts')).webhookPause,
    },
    {
      name: 'webhook resume',
      summary: 'resume a webhook',
      load: async () => (await import('../remote/following/webhooks.ts')).webhookResume,
    },
    {
      name: 'webhook delete',
      summary: 'delete a webhook',
      load: async () => (await import('../remote/following/webhooks.ts')).webhookDelete,
    },
    {
      name: 'webhook deliveries',
      summary: 'list the delivery attempts of a webhook',
      load: async () => (await import('../remote/following/webhooks.ts')).webhookDeliveries,
    },
    {
      name: 'webhook redeliver',
      summary: 'deliver entries of the ledger again',
      load: async () => (await import('../remote/following/webhooks.ts')).webhookRedeliver,
    },
    {
      name: 'webhook ping',
      summary: 'send a test message to a webhook',
      load: async () => (await import('../remote/following/webhooks.ts')).webhookPing,
    },
    {
      name: 'webhook new-secret',
      summary: 'replace the secret of a webhook, and print the new one',
      load: async () => (await import('../remote/following/webhooks.ts')).webhookNewSecret,
    },
  ],
}
