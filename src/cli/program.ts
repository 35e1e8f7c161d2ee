import type { Define } from './command.ts'
import type { ACTS } from './remote/acts.ts'
import { keepYoungGenerationSmall } from './local/young-generation.ts'

/** A command of the tree. Its module is loaded only when it runs or shows its help. */
export interface Entry {
  /** One word, or a group and a word. */
  readonly name: string
  readonly summary: string
  /**
   * With `isRemote`, the command talks to the depot that is named; otherwise some work on the data folder.
   */
  readonly load: (isRemote: boolean) => Promise<Define>
}

function change(act: keyof typeof ACTS): Entry['load'] {
  return async () => {
    const [{ changeCommand }, { ACTS }] = await Promise.all([
      import('./remote/change-view.ts'),
      import('./remote/acts.ts'),
    ])
    return changeCommand(ACTS[act])
  }
}

/** All commands, under the headings of the help. */
export const PROGRAM: Readonly<Record<string, readonly Entry[]>> = {
  'Connect to a depot': [
    {
      name: 'login',
      summary: 'store the address and the token of a depot',
      load: async () => (await import('./remote/login.ts')).login,
    },
    {
      name: 'logout',
      summary: 'forget a depot and its token',
      load: async () => (await import('./remote/login.ts')).logout,
    },
    {
      name: 'whoami',
      summary: 'show the account and the rights of the token',
      load: async () => (await import('./remote/login.ts')).whoami,
    },
    {
      name: 'status',
      summary: 'show the version of the depot, whether it is ready, and who you are',
      load: async () => (await import('./remote/status.ts')).status,
    },
    {
      name: 'version',
      summary: 'show the version of this program and of the depot',
      load: async () => (await import('./version.ts')).version,
    },
    {
      name: 'completion',
      summary: 'print the completion script of a shell',
      load: async () => (await import('./completion.ts')).completion,
    },
  ],
  Releases: [
    {
      name: 'upload',
      summary: 'upload packages, with what they need if wanted',
      load: async () => (await import('./remote/upload.ts')).upload,
    },
    {
      name: 'download',
      summary: 'download a package, and verify its checksum and signature',
      load: async () => (await import('./remote/download.ts')).download,
    },
    {
      name: 'show',
      summary: 'show a release',
      load: async () => (await import('./remote/releases.ts')).show,
    },
    {
      name: 'search',
      summary: 'search packages by their names',
      load: async () => (await import('./remote/releases.ts')).search,
    },
    {
      name: 'where',
      summary: 'list the views that contain a release',
      load: async () => (await import('./remote/releases.ts')).where,
    },
    {
      name: 'why',
      summary: 'show what needs a release, and what keeps it from being deleted',
      load: async () => (await import('./remote/releases.ts')).why,
    },
    {
      name: 'yank',
      summary: 'take a release away from latest and from promotions',
      load: async () => (await import('./remote/marks.ts')).yank,
    },
    {
      name: 'unyank',
      summary: 'end the yank of a release',
      load: async () => (await import('./remote/marks.ts')).unyank,
    },
    {
      name: 'deprecate',
      summary: 'warn of a release',
      load: async () => (await import('./remote/marks.ts')).deprecate,
    },
    {
      name: 'undeprecate',
      summary: 'end the deprecation of a release',
      load: async () => (await import('./remote/marks.ts')).undeprecate,
    },
    {
      name: 'hold',
      summary: 'keep a release from deletion',
      load: async () => (await import('./remote/marks.ts')).hold,
    },
    {
      name: 'unhold',
      summary: 'let a release be deleted again',
      load: async () => (await import('./remote/marks.ts')).unhold,
    },
  ],
  'Change views': [
    {
      name: 'promote',
      summary: 'promote releases into a view',
      load: change('promote'),
    },
    {
      name: 'demote',
      summary: 'remove releases from a view',
      load: change('demote'),
    },
    {
      name: 'rollback',
      summary: 'restore an earlier state of a view; by default, undo the last move',
      load: change('rollback'),
    },
    {
      name: 'revert',
      summary: 'undo one revision of a view, and keep the later ones',
      load: change('revert'),
    },
    {
      name: 'set-rule',
      summary: 'set what latest means in a view',
      load: change('setRule'),
    },
    {
      name: 'plan',
      summary: 'show what a change, or views in files, would change and what blocks it',
      load: async () => (await import('./remote/plans.ts')).plan,
    },
    {
      name: 'apply',
      summary: 'make the change of a plan, or make views as files describe them',
      load: async () => (await import('./remote/plans.ts')).apply,
    },
    {
      name: 'propose',
      summary: 'propose a change that a second person must approve',
      load: async () => (await import('./remote/plans.ts')).propose,
    },
    {
      name: 'approve',
      summary: 'approve a proposal, and make its change',
      load: async () => (await import('./remote/plans.ts')).approve,
    },
    {
      name: 'reject',
      summary: 'end a proposal without making its change',
      load: async () => (await import('./remote/plans.ts')).reject,
    },
    {
      name: 'proposals',
      summary: 'list proposals',
      load: async () => (await import('./remote/plans.ts')).proposals,
    },
    {
      name: 'freeze',
      summary: 'refuse changes of a view or of all views, for a time',
      load: async () => (await import('./remote/rules.ts')).freeze,
    },
    {
      name: 'thaw',
      summary: 'end a freeze',
      load: async () => (await import('./remote/rules.ts')).thaw,
    },
    {
      name: 'gates',
      summary: 'show or replace the gates of a view',
      load: async () => (await import('./remote/rules.ts')).gates,
    },
    {
      name: 'export',
      summary: 'write views as YAML, for plan -f and apply -f',
      load: async () => (await import('./remote/export.ts')).exportViews,
    },
    {
      name: 'view create',
      summary: 'create a view',
      load: async () => (await import('./remote/views.ts')).viewCreate,
    },
    {
      name: 'view close',
      summary: 'close a preview',
      load: async () => (await import('./remote/views.ts')).viewClose,
    },
  ],
  'Run a pipeline': [
    {
      name: 'change record',
      summary: 'record a change of a project, and the releases that were built from it',
      load: async () => (await import('./remote/changes.ts')).changeRecord,
    },
    {
      name: 'change report',
      summary: 'report how a phase of a change stands',
      load: async () => (await import('./remote/changes.ts')).changeReport,
    },
    {
      name: 'change show',
      summary: 'show a change with its releases and phases',
      load: async () => (await import('./remote/changes.ts')).changeShow,
    },
    {
      name: 'change list',
      summary: 'list changes',
      load: async () => (await import('./remote/changes.ts')).changeList,
    },
    {
      name: 'pipeline',
      summary: 'run a phase of the pipeline of a project',
      load: async () => (await import('./pipeline/pipeline.ts')).pipeline,
    },
  ],
  Look: [
    {
      name: 'views',
      summary: 'list the views',
      load: async () => (await import('./remote/views.ts')).views,
    },
    {
      name: 'view',
      summary: 'show what is latest in a view, now or in the past',
      load: async () => (await import('./remote/views.ts')).view,
    },
    {
      name: 'history',
      summary: 'list the revisions of a view',
      load: async () => (await import('./remote/history.ts')).history,
    },
    {
      name: 'diff',
      summary: 'compare two views, or two states of a view',
      load: async () => (await import('./remote/history.ts')).diff,
    },
    {
      name: 'lockfile',
      summary: 'print a signed lockfile of what is latest in a view',
      load: async () => (await import('./remote/lockfile.ts')).lockfile,
    },
    {
      name: 'events',
      summary: 'show the ledger, or follow it',
      load: async () => (await import('./remote/events.ts')).events,
    },
    {
      name: 'wait',
      summary: 'wait until a release is latest in a view',
      load: async () => (await import('./remote/wait.ts')).wait,
    },
    {
      name: 'fleet',
      summary: 'show what Supervisors run, and whether they have followed a view',
      load: async () => (await import('./remote/fleet.ts')).fleet,
    },
    {
      name: 'pollers',
      summary: 'show estimates of how many clients poll for each package, and failed polls',
      load: async () => (await import('./remote/pollers.ts')).pollers,
    },
    {
      name: 'follow',
      summary: 'update this machine by a program whenever a view moves',
      load: async () => (await import('./remote/follow.ts')).follow,
    },
    {
      name: 'bisect',
      summary: 'find the revision of a view that broke something',
      load: async () => (await import('./remote/bisect.ts')).bisect,
    },
  ],
  'Origins, keys, accounts and tokens': [
    {
      name: 'origin list',
      summary: 'list the origins',
      load: async () => (await import('./remote/origins.ts')).originList,
    },
    {
      name: 'origin create',
      summary: 'create an origin',
      load: async () => (await import('./remote/origins.ts')).originCreate,
    },
    {
      name: 'origin show',
      summary: 'show an origin and its packages',
      load: async () => (await import('./remote/origins.ts')).originShow,
    },
    {
      name: 'origin delete',
      summary: 'delete an empty origin',
      load: async () => (await import('./remote/origins.ts')).originDelete,
    },
    {
      name: 'origin members',
      summary: 'list the members of an origin',
      load: async () => (await import('./remote/origins.ts')).originMembers,
    },
    {
      name: 'origin add-member',
      summary: 'give an account a role in an origin',
      load: async () => (await import('./remote/origins.ts')).originAddMember,
    },
    {
      name: 'origin remove-member',
      summary: 'take the role of an account in an origin',
      load: async () => (await import('./remote/origins.ts')).originRemoveMember,
    },
    {
      name: 'origin change',
      summary: 'set who sees new packages of an origin',
      load: async () => (await import('./remote/origins.ts')).originChange,
    },
    {
      name: 'origin transfer',
      summary: 'give an origin to another account',
      load: async () => (await import('./remote/origins.ts')).originTransfer,
    },
    {
      name: 'origin leave',
      summary: 'end your membership of an origin',
      load: async () => (await import('./remote/origins.ts')).originLeave,
    },
    {
      name: 'origin invite',
      summary: 'ask an account to join an origin',
      load: async () => (await import('./remote/invitations.ts')).originInvite,
    },
    {
      name: 'origin invitations',
      summary: 'list your invitations, or those of an origin',
      load: async () => (await import('./remote/invitations.ts')).originInvitations,
    },
    {
      name: 'origin accept',
      summary: 'join an origin that invites you',
      load: async () => (await import('./remote/invitations.ts')).originAccept,
    },
    {
      name: 'origin ignore',
      summary: 'hide an invitation to an origin',
      load: async () => (await import('./remote/invitations.ts')).originIgnore,
    },
    {
      name: 'origin rescind',
      summary: 'withdraw an invitation to an origin',
      load: async () => (await import('./remote/invitations.ts')).originRescind,
    },
    {
      name: 'key list',
      summary: 'list the public keys of an origin',
      load: async () => (await import('./remote/keys.ts')).keyList,
    },
    {
      name: 'key upload',
      summary: 'add a public key to its origin',
      load: async () => (await import('./remote/keys.ts')).keyUpload,
    },
    {
      name: 'key download',
      summary: 'print a public key of an origin',
      load: async () => (await import('./remote/keys.ts')).keyDownload,
    },
    {
      name: 'key upload-secret',
      summary: 'share a secret key with the members of its origin',
      load: async () => (await import('./remote/keys.ts')).keyUploadSecret,
    },
    {
      name: 'key download-secret',
      summary: 'print the newest secret key of an origin',
      load: async () => (await import('./remote/keys.ts')).keyDownloadSecret,
    },
    {
      name: 'account add',
      summary: 'create an account',
      load: async (isRemote) =>
        isRemote
          ? (await import('./remote/accounts.ts')).accountAdd
          : (await import('./local/accounts.ts')).accountAdd,
    },
    {
      name: 'account list',
      summary: 'list the accounts',
      load: async (isRemote) =>
        isRemote
          ? (await import('./remote/accounts.ts')).accountList
          : (await import('./local/accounts.ts')).accountList,
    },
    {
      name: 'account disable',
      summary: 'refuse all tokens of an account',
      load: async () => (await import('./remote/accounts.ts')).accountDisable,
    },
    {
      name: 'account enable',
      summary: 'accept the tokens of a disabled account again',
      load: async () => (await import('./remote/accounts.ts')).accountEnable,
    },
    {
      name: 'token add',
      summary: 'create a token for an account, and print it',
      load: async (isRemote) =>
        isRemote
          ? (await import('./remote/tokens.ts')).tokenAdd
          : (await import('./local/tokens.ts')).tokenAdd,
    },
    {
      name: 'token list',
      summary: 'list all tokens, or the tokens of one account, without their secrets',
      load: async (isRemote) =>
        isRemote
          ? (await import('./remote/tokens.ts')).tokenList
          : (await import('./local/tokens.ts')).tokenList,
    },
    {
      name: 'token revoke',
      summary: 'revoke a token, at once and for good; hart-depot token list shows the IDs',
      load: async (isRemote) =>
        isRemote
          ? (await import('./remote/tokens.ts')).tokenRevoke
          : (await import('./local/tokens.ts')).tokenRevoke,
    },
  ],
  Webhooks: [
    {
      name: 'webhook list',
      summary: 'list the webhooks',
      load: async () => (await import('./remote/webhooks.ts')).webhookList,
    },
    {
      name: 'webhook add',
      summary: 'create a webhook, and print its secret',
      load: async () => (await import('./remote/webhooks.ts')).webhookAdd,
    },
    {
      name: 'webhook show',
      summary: 'show a webhook and its state',
      load: async () => (await import('./remote/webhooks.ts')).webhookShow,
    },
    {
      name: 'webhook change',
      summary: 'send a webhook elsewhere, or other entries',
      load: async () => (await import('./remote/webhooks.ts')).webhookChange,
    },
    {
      name: 'webhook pause',
      summary: 'pause a webhook',
      load: async () => (await import('./remote/webhooks.ts')).webhookPause,
    },
    {
      name: 'webhook resume',
      summary: 'resume a webhook',
      load: async () => (await import('./remote/webhooks.ts')).webhookResume,
    },
    {
      name: 'webhook delete',
      summary: 'delete a webhook',
      load: async () => (await import('./remote/webhooks.ts')).webhookDelete,
    },
    {
      name: 'webhook deliveries',
      summary: 'list the delivery attempts of a webhook',
      load: async () => (await import('./remote/webhooks.ts')).webhookDeliveries,
    },
    {
      name: 'webhook redeliver',
      summary: 'deliver entries of the ledger again',
      load: async () => (await import('./remote/webhooks.ts')).webhookRedeliver,
    },
    {
      name: 'webhook ping',
      summary: 'send a test message to a webhook',
      load: async () => (await import('./remote/webhooks.ts')).webhookPing,
    },
    {
      name: 'webhook new-secret',
      summary: 'replace the secret of a webhook, and print the new one',
      load: async () => (await import('./remote/webhooks.ts')).webhookNewSecret,
    },
  ],
  'Run and look after a depot on this machine': [
    {
      name: 'serve',
      summary: 'run the depot until SIGTERM or SIGINT',
      load: async () => {
        keepYoungGenerationSmall()
        return (await import('./local/serve.ts')).serve
      },
    },
    {
      name: 'healthy',
      summary: 'check that a depot answers on DEPOT_LISTEN; if not, the exit code is 1',
      load: async () => (await import('./local/healthy.ts')).healthy,
    },
    {
      name: 'doctor',
      summary: 'say what is wrong with the depot on this machine; if anything is, the exit code is 1',
      load: async () => (await import('./local/doctor.ts')).doctor,
    },
    {
      name: 'backup list',
      summary: 'list the backups in a folder',
      load: async () => (await import('./local/backup.ts')).backupList,
    },
    {
      name: 'backup',
      summary: 'back up the depot to a folder, also while it runs',
      load: async () => (await import('./local/backup.ts')).backup,
    },
    {
      name: 'restore',
      summary: 'restore a backup into an empty data folder, and verify it',
      load: async () => (await import('./local/restore.ts')).restore,
    },
    {
      name: 'restored',
      summary:
        'start a new ledger history after the database was restored from a backup; run it while the server is stopped',
      load: async () => (await import('./local/restored.ts')).restored,
    },
    {
      name: 'verify',
      summary:
        'check the ledger, and that views, rows and files match it; if anything differs, the exit code is 1',
      load: async () => (await import('./local/verify.ts')).verify,
    },
    {
      name: 'migrate',
      summary: 'upgrade the database to this version, or show what an upgrade would do',
      load: async () => (await import('./local/migrate.ts')).migrate,
    },
    {
      name: 'import-builder',
      summary: 'copy origins, keys, packages and channels from a Builder into a running depot',
      load: async () => (await import('./local/import-builder.ts')).importBuilder,
    },
    {
      name: 'pull',
      summary: 'copy a view of another depot, at one revision, into a running depot',
      load: async () => (await import('./local/pull.ts')).pull,
    },
    {
      name: 'key show',
      summary: "print this depot's public key file, which other depots need to trust its lockfiles",
      load: async () => (await import('./local/keys.ts')).keyShow,
    },
    {
      name: 'key trust',
      summary: 'trust lockfiles signed with the depot key in FILE, under the name NAME',
      load: async () => (await import('./local/keys.ts')).keyTrust,
    },
    {
      name: 'demo',
      summary:
        'promote three releases through four views of a temporary depot, and show what supervisors see',
      load: async () => (await import('./local/demo.ts')).demo,
    },
    {
      name: 'openapi',
      summary: 'print the OpenAPI document of all routes',
      load: async () => (await import('./local/openapi.ts')).openapi,
    },
  ],
}

/** All commands, in the order of the help. */
export const ENTRIES: readonly Entry[] = Object.values(PROGRAM).flat()
