import type { Entries } from './entry.ts'
import { tuneForStart } from '../local/server/tune-v8.ts'

/** Commands that run a depot on this machine, or look after it. */
export const LOCAL: Entries = {
  'Run and look after a depot on this machine': [
    {
      name: 'serve',
      summary: 'run the depot until SIGTERM or SIGINT',
      load: async () => {
        tuneForStart()
        return (await import('../local/server/serve.ts')).serve
      },
    },
    {
      name: 'healthy',
      summary: 'check that a depot answers on DEPOT_LISTEN; if not, the exit code is 1',
      load: async () => (await import('../local/server/healthy.ts')).healthy,
    },
    {
      name: 'doctor',
      summary: 'say what is wrong with the depot on this machine; if anything is, the exit code is 1',
      load: async () => (await import('../local/installation/doctor.ts')).doctor,
    },
    {
      name: 'backup list',
      summary: 'list the backups in a folder',
      load: async () => (await import('../local/backups/backup.ts')).backupList,
    },
    {
      name: 'backup',
      summary: 'back up the depot to a folder, also while it runs',
      load: async () => (await import('../local/backups/backup.ts')).backup,
    },
    {
      name: 'restore',
      summary: 'restore a backup into an empty data folder, and verify it',
      load: async () => (await import('../local/backups/restore.ts')).restore,
    },
    {
      name: 'restored',
      summary:
        'start a new ledger history after the database was restored from a backup; run it while the server is stopped',
      load: async () => (await import('../local/ledger/restored.ts')).restored,
    },
    {
      name: 'verify',
      summary:
        'check the ledger, and that views, rows and files match it; if anything differs, the exit code is 1',
      load: async () => (await import('../local/ledger/verify.ts')).verify,
    },
    {
      name: 'denials',
      summary: 'list changes and administration that were refused for want of rights',
      load: async () => (await import('../local/accounts/denials.ts')).denials,
    },
    {
      name: 'ledger checkpoint',
      summary: 'print a signed head of the ledger, which proves later that history was not rewritten',
      load: async () => (await import('../local/ledger/ledger.ts')).ledgerCheckpoint,
    },
    {
      name: 'migrate',
      summary: 'upgrade the database to this version, or show what an upgrade would do',
      load: async () => (await import('../local/installation/migrate.ts')).migrate,
    },
    {
      name: 'move',
      summary: 'move the depot to another database and another store of packages',
      load: async () => (await import('../local/copies/move.ts')).move,
    },
    {
      name: 'import-builder',
      summary: 'copy origins, keys, packages and channels from a Builder into a running depot',
      load: async () => (await import('../local/copies/import-builder.ts')).importBuilder,
    },
    {
      name: 'pull',
      summary: 'copy a view of another depot, at one revision, into a running depot',
      load: async () => (await import('../local/copies/pull.ts')).pull,
    },
    {
      name: 'materialize',
      summary: 'write the public answers of a depot into files that nginx serves',
      load: async () => (await import('../local/edge/materialize.ts')).materialize,
    },
    {
      name: 'nginx-conf',
      summary: 'print a configuration of nginx for depots, and for the files of materialize',
      load: async () => (await import('../local/edge/nginx-conf.ts')).nginxConf,
    },
    {
      name: 'upstream adopt',
      summary: 'let an origin that exists here come from upstream, after a comparison',
      load: async () => (await import('../local/copies/upstream.ts')).upstreamAdopt,
    },
    {
      name: 'upstream disown',
      summary: 'make an origin that came from upstream one of this depot again',
      load: async () => (await import('../local/copies/upstream.ts')).upstreamDisown,
    },
    {
      name: 'secret-key list',
      summary: 'list the keys that encrypt stored secrets',
      load: async () => (await import('../local/secrets/secret-key.ts')).secretKeyList,
    },
    {
      name: 'secret-key rotate',
      summary: 'encrypt all stored secrets with a new key',
      load: async () => (await import('../local/secrets/secret-key.ts')).secretKeyRotate,
    },
    {
      name: 'secret-key forget',
      summary: 'remove an earlier key of stored secrets; run it while the server is stopped',
      load: async () => (await import('../local/secrets/secret-key.ts')).secretKeyForget,
    },
    {
      name: 'key show',
      summary: "print this depot's public key file, which other depots need to trust its lockfiles",
      load: async () => (await import('../local/secrets/keys.ts')).keyShow,
    },
    {
      name: 'key rotate',
      summary: 'sign lockfiles and checkpoints of the ledger with a new key',
      load: async () => (await import('../local/secrets/keys.ts')).keyRotate,
    },
    {
      name: 'key revoke',
      summary: 'trust nothing more that an earlier key of this depot signed',
      load: async () => (await import('../local/secrets/keys.ts')).keyRevoke,
    },
    {
      name: 'key trust',
      summary: 'trust lockfiles signed with the depot key in FILE, under the name NAME',
      load: async () => (await import('../local/secrets/keys.ts')).keyTrust,
    },
    {
      name: 'demo',
      summary:
        'promote three releases through four views of a temporary depot, and show what supervisors see',
      load: async () => (await import('../local/demo/demo.ts')).demo,
    },
    {
      name: 'openapi',
      summary: 'print the OpenAPI document of all routes',
      load: async () => (await import('../local/openapi.ts')).openapi,
    },
  ],
}
