import type { Entries } from './entry.ts'

/** Commands that connect to a depot, and those of releases. */
export const RELEASES: Entries = {
  'Connect to a depot': [
    {
      name: 'login',
      summary: 'store the address and the token of a depot',
      load: async () => (await import('../remote/accounts/login.ts')).login,
    },
    {
      name: 'logout',
      summary: 'forget a depot and its token',
      load: async () => (await import('../remote/accounts/login.ts')).logout,
    },
    {
      name: 'whoami',
      summary: 'show the account and the rights of the token',
      load: async () => (await import('../remote/accounts/login.ts')).whoami,
    },
    {
      name: 'status',
      summary: 'show the version of the depot, whether it is ready, and who you are',
      load: async () => (await import('../remote/status.ts')).status,
    },
    {
      name: 'version',
      summary: 'show the version of this program and of the depot',
      load: async () => (await import('../version.ts')).version,
    },
    {
      name: 'completion',
      summary: 'print the completion script of a shell',
      load: async () => (await import('../completion.ts')).completion,
    },
  ],
  Releases: [
    {
      name: 'upload',
      summary: 'upload packages, with what they need if wanted',
      load: async () => (await import('../remote/releases/upload.ts')).upload,
    },
    {
      name: 'download',
      summary: 'download a package, and verify its checksum and signature',
      load: async () => (await import('../remote/releases/download.ts')).download,
    },
    {
      name: 'show',
      summary: 'show a release',
      load: async () => (await import('../remote/releases/releases.ts')).show,
    },
    {
      name: 'search',
      summary: 'search packages by parts of their names, versions and more',
      load: async () => (await import('../remote/releases/releases.ts')).search,
    },
    {
      name: 'where',
      summary: 'list the views that contain a release',
      load: async () => (await import('../remote/releases/releases.ts')).where,
    },
    {
      name: 'why',
      summary: 'show what needs a release, and what keeps it from being deleted',
      load: async () => (await import('../remote/releases/releases.ts')).why,
    },
    {
      name: 'delete',
      summary: 'delete a release that nothing keeps',
      load: async () => (await import('../remote/releases/delete.ts')).deleteRelease,
    },
    {
      name: 'yank',
      summary: 'take a release away from latest and from promotions',
      load: async () => (await import('../remote/releases/marks.ts')).yank,
    },
    {
      name: 'unyank',
      summary: 'end the yank of a release',
      load: async () => (await import('../remote/releases/marks.ts')).unyank,
    },
    {
      name: 'deprecate',
      summary: 'warn of a release',
      load: async () => (await import('../remote/releases/marks.ts')).deprecate,
    },
    {
      name: 'undeprecate',
      summary: 'end the deprecation of a release',
      load: async () => (await import('../remote/releases/marks.ts')).undeprecate,
    },
    {
      name: 'hold',
      summary: 'keep a release from deletion',
      load: async () => (await import('../remote/releases/marks.ts')).hold,
    },
    {
      name: 'unhold',
      summary: 'let a release be deleted again',
      load: async () => (await import('../remote/releases/marks.ts')).unhold,
    },
    {
      name: 'pin',
      summary: 'keep the releases of a revision of a view',
      load: async () => (await import('../remote/retention/pins.ts')).pin,
    },
    {
      name: 'unpin',
      summary: 'end the pin of a revision',
      load: async () => (await import('../remote/retention/pins.ts')).unpin,
    },
    {
      name: 'pins',
      summary: 'list the pinned revisions',
      load: async () => (await import('../remote/retention/pins.ts')).pins,
    },
    {
      name: 'lockfile register',
      summary: 'keep the releases of a lockfile',
      load: async () => (await import('../remote/retention/pins.ts')).lockfileRegister,
    },
    {
      name: 'lockfile unregister',
      summary: 'stop keeping the releases of a lockfile',
      load: async () => (await import('../remote/retention/pins.ts')).lockfileUnregister,
    },
    {
      name: 'lockfile list',
      summary: 'list the registered lockfiles',
      load: async () => (await import('../remote/retention/pins.ts')).lockfileList,
    },
    {
      name: 'retention rules',
      summary: 'list the retention rules',
      load: async () => (await import('../remote/retention/retention-rules.ts')).retentionRules,
    },
    {
      name: 'retention set',
      summary: 'set what stays of the depot, an origin, a package or a view',
      load: async () => (await import('../remote/retention/retention-rules.ts')).retentionSet,
    },
    {
      name: 'retention unset',
      summary: 'remove a retention rule',
      load: async () => (await import('../remote/retention/retention-rules.ts')).retentionUnset,
    },
    {
      name: 'retention quarantine',
      summary: 'list the removed releases that can return',
      load: async () => (await import('../remote/retention/retention.ts')).retentionQuarantine,
    },
    {
      name: 'retention return',
      summary: 'bring a removed release back',
      load: async () => (await import('../remote/retention/retention.ts')).retentionReturn,
    },
    {
      name: 'retention',
      summary: 'remove releases that nothing needs, or show which',
      load: async () => (await import('../remote/retention/retention.ts')).retention,
    },
  ],
}
