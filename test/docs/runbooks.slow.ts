import { chmod, cp, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { formatPublicKey } from '../../src/hart/origin-key.ts'
import { buildHart } from '../support/build-hart.ts'
import {
  CLONE,
  looseClone,
  readDocument,
  runScript,
  scriptOf,
  standIns,
} from '../support/documents/document.ts'
import { succeeds } from '../support/documents/follow-document.ts'
import { freePort } from '../support/free-port.ts'
import { ADMIN_TOKEN } from '../support/start-depot.ts'

// Follows each runbook against a depot with its problem. The depot is a process that a stand-in for systemctl
// starts and stops.

/** What happens before a runbook is followed, and what must be true afterwards. Both are lines for bash. */
interface Scene {
  /** The headings whose commands are followed; by default, all. */
  readonly sections?: readonly string[]
  readonly before: string
  readonly after: string
}

const IS_WELL = `
curl -sS --fail-with-body http://127.0.0.1:9636/readyz | grep -F '"problems":[]'
curl -sS --fail-with-body http://127.0.0.1:9636/api/v1/releases/happyhumans/possums/8.1.4/20160427165340 > /dev/null`
const BACKUP = 'hart-depot backup /mnt/backups --with-secret-key'
const hasProblem = (code: string) => `curl -sS http://127.0.0.1:9636/readyz | grep -F '"code":"${code}"'`
/** Preloads a clock that is two hours ahead. */
const AHEAD = `NODE_OPTIONS='--import="data:text/javascript,const now=Date.now;Date.now=()=>now()+7200000"'`
const SECRET = `hart-depot webhook add deploys http://127.0.0.1:9/ > /dev/null`

/** By runbook. What follows a space tells apart the scenes of one runbook. */
const SCENES: Readonly<Record<string, Scene>> = {
  'administrator-token-lost': {
    before: 'unset HART_DEPOT_TOKEN; hart-depot logout',
    after: 'unset HART_DEPOT_TOKEN; hart-depot whoami | grep admin',
  },
  'another-machine': {
    before: '',
    after: `${IS_WELL}; hart-depot backup /mnt/backups --new-history`,
  },
  'backup-old': {
    before: `curl -sS http://127.0.0.1:9636/metrics | grep '^hart_depot_last_backup_timestamp_seconds 0$'`,
    after: `curl -sS http://127.0.0.1:9636/metrics | grep '^hart_depot_last_backup_timestamp_seconds [1-9]'`,
  },
  'bad-promotion': {
    before: `
hart-depot upload app-1.0.0.hart --key acme.pub --promote delivered
hart-depot upload app-1.1.0.hart --promote delivered
hart-depot freeze delivered --until 1h --reason 'nobody promotes at night'
hart-depot view delivered | grep 1.1.0`,
    after: `hart-depot view delivered | grep 1.0.0; hart-depot history delivered | grep 'loses data'`,
  },
  'clock-wrong': {
    before: `
systemctl stop hart-depot
echo ${JSON.stringify(AHEAD)} >> /etc/hart-depot/environment
systemctl start hart-depot
hart-depot promote delivered --from acceptance --yes
sed -i /NODE_OPTIONS/d /etc/hart-depot/environment
systemctl restart hart-depot
${hasProblem('clock')}`,
    after: 'hart-depot promote union --from acceptance --yes',
  },
  'data-folder-gone renamed': {
    sections: ['The data folder is gone', 'It was renamed, or something was mounted over it'],
    before: `
mv /var/lib/hart-depot /var/lib/hart-depot.renamed; mkdir /var/lib/hart-depot
${hasProblem('data_gone')}
! HART_DEPOT_URL=http://127.0.0.1:9636 hart-depot account add ci`,
    after: `${IS_WELL}; HART_DEPOT_URL=http://127.0.0.1:9636 hart-depot account add ci`,
  },
  'data-folder-gone removed': {
    sections: ['The data folder is gone', 'It was removed'],
    before: `
${BACKUP}
hart-depot promote delivered --from acceptance --yes
rm -r /var/lib/hart-depot
${hasProblem('data_gone')}`,
    after: `${IS_WELL}; hart-depot view delivered | grep possums`,
  },
  'database-damaged': {
    before: `
hart-depot key upload acme.pub
${BACKUP}
hart-depot upload app-1.0.0.hart
systemctl stop hart-depot
for page in $(seq 10 20 200); do
  dd if=/dev/zero of=/var/lib/hart-depot/depot.sqlite bs=4096 seek=$page count=8 conv=notrunc status=none
done
! hart-depot verify`,
    after: `${IS_WELL}; hart-depot show acme/app > /dev/null`,
  },
  'depot-down': {
    before: 'systemctl stop hart-depot; ! hart-depot healthy',
    after: IS_WELL,
  },
  'disk-full': {
    before: `
echo DEPOT_DISK_RESERVE=1PiB >> /etc/hart-depot/environment
systemctl restart hart-depot
${hasProblem('disk')}`,
    after: IS_WELL,
  },
  // A second depot stands in for the Builder, whose protocol it speaks.
  'move-from-builder': {
    before: `
at_builder() { DEPOT_DATA=$RUNBOOK/builder DEPOT_LISTEN=\${BUILDER#http://} HART_DEPOT_URL=$BUILDER "$@"; }
at_builder exec hart-depot serve > builder.log 2>&1 < /dev/null &
echo $! > builder.pid
until at_builder hart-depot healthy > /dev/null 2>&1; do sleep 0.1; done
at_builder hart-depot origin create acme
at_builder hart-depot upload app-1.0.0.hart --key acme.pub --promote stable
echo "$HART_DEPOT_TOKEN" > builder-token; chmod 600 builder-token
echo a-token-that-ci-has-at-the-builder-0123456789 > ci-token
hart-depot origin delete acme`,
    after: `
kill "$(cat builder.pid)"
hart-depot where acme/app/1.0.0/20260101120000 | grep stable
HART_DEPOT_TOKEN=$(cat ci-token) HART_DEPOT_URL=http://127.0.0.1:9636 hart-depot whoami | grep ci`,
  },
  'package-damaged': {
    before: `
${BACKUP}
file=$(find /var/lib/hart-depot/blobs -type f -size +1k | head -n 1)
: > "$file"
! curl -sS --fail-with-body http://127.0.0.1:9636/v1/depot/pkgs/happyhumans/possums/8.1.4/20160427165340/download
${hasProblem('damaged_blobs')}`,
    after: `${IS_WELL}
curl -sS --fail-with-body http://127.0.0.1:9636/v1/depot/pkgs/happyhumans/possums/8.1.4/20160427165340/download > hart`,
  },
  'polls-refused': {
    before: `! curl -sS --fail-with-body http://127.0.0.1:9636/v1/depot/views/aceptance/pkgs/happyhumans/possums/latest`,
    after: 'hart-depot pollers | grep aceptance',
  },
  'quota-nearly-used': {
    before: `
hart-depot quota set 1KiB --origin happyhumans
curl -sS http://127.0.0.1:9636/metrics | grep '^hart_depot_quotas_nearly_used 1$'`,
    after: `curl -sS http://127.0.0.1:9636/metrics | grep '^hart_depot_quotas_nearly_used 0$'`,
  },
  'requests-fail': { before: '', after: IS_WELL },
  restore: {
    before: `${BACKUP}; hart-depot promote delivered --from acceptance --yes`,
    after: `${IS_WELL}; ! hart-depot view delivered | grep possums`,
  },
  'secret-key-lost': {
    before: `
${SECRET}
${BACKUP}
systemctl stop hart-depot
rm /var/lib/hart-depot/secret.key
! systemctl start hart-depot
journalctl -u hart-depot | tail -n 1 | grep secret.key`,
    after: `${IS_WELL}; hart-depot webhook list | grep deploys`,
  },
  'token-leaked': {
    before: 'hart-depot account add ci; hart-depot token add ci > leaked; hart-depot token add ci > newer',
    after: `! HART_DEPOT_TOKEN=$(cat leaked) HART_DEPOT_URL=http://127.0.0.1:9636 hart-depot whoami`,
  },
  'upstream-down': {
    before: `
printf 'DEPOT_UPSTREAM=http://127.0.0.1:9\\nDEPOT_UPSTREAM_ORIGINS=core\\n' >> /etc/hart-depot/environment
systemctl restart hart-depot
curl -sS -w '%{http_code}' http://127.0.0.1:9636/v1/depot/pkgs/core/redis/8.0.0/20260101120000/download | grep 502`,
    after: 'hart-depot view union | grep possums',
  },
  'webhook-paused': {
    before: `${SECRET}; hart-depot webhook pause deploys`,
    after: 'hart-depot webhook show deploys | grep -v paused',
  },
}

/** What the runbooks name, and what is meant by it in a folder. */
function replacements(folder: string, url: string): Record<string, string> {
  return {
    'http://127.0.0.1:9636': url,
    'http://127.0.0.1:9637': builderUrl,
    '/var/lib/hart-depot': join(folder, 'data'),
    '/etc/hart-depot/environment': join(folder, 'environment'),
    '/mnt/backups': join(folder, 'backups'),
    'hart_…': ADMIN_TOKEN,
  }
}

const replaceAll = (text: string, replaced: Record<string, string>) =>
  Object.entries(replaced).reduce((result, [from, to]) => result.replaceAll(from, to), text)

const programs = await standIns(tap)
for (const name of ['systemctl', 'journalctl'])
  await symlink(join(CLONE, 'test/support/documents/systemctl-stand-in.sh'), join(programs, name))
const { PATH = '', HOME = '' } = process.env
const port = await freePort()
const url = `http://127.0.0.1:${port}`
const builderUrl = `http://127.0.0.1:${await freePort()}`
const settings = `DEPOT_LISTEN=127.0.0.1:${port}\nDEPOT_WEBHOOK_NETWORKS=127.0.0.1\n`

function environmentOf(folder: string): Record<string, string> {
  return {
    PATH: `${programs}:${PATH}`,
    HOME,
    TMPDIR: tmpdir(),
    RUNBOOK: folder,
    BUILDER: builderUrl,
    XDG_CONFIG_HOME: join(folder, 'config'),
    DEPOT_DATA: join(folder, 'data'),
    DEPOT_LISTEN: `127.0.0.1:${port}`,
    DEPOT_ADMIN_TOKEN: ADMIN_TOKEN,
    HART_DEPOT_TOKEN: ADMIN_TOKEN,
  }
}

/** A folder with the data that the first section of README.md makes. */
const furnished = await mkdtemp(join(tmpdir(), 'hart-depot-runbook-'))
tap.teardown(() => rm(furnished, { recursive: true, force: true }))
const clone = await looseClone(tap)
await writeFile(join(furnished, 'environment'), settings)
for (const version of ['1.0.0', '1.1.0']) {
  const hart = buildHart({ ident: `acme/app/${version}/20260101120000` })
  await writeFile(join(furnished, `app-${version}.hart`), hart.bytes)
  await writeFile(join(furnished, 'acme.pub'), formatPublicKey(hart.keys.publicKey))
}
const readme = scriptOf(await readDocument('README.md'), {
  sections: ['Five minutes'],
  replaced: replacements(furnished, url),
})
const made = await runScript(
  `systemctl start hart-depot\n${readme}\nhart-depot origin create acme\nsystemctl stop hart-depot`,
  {
    name: 'README.md',
    cwd: clone,
    env: environmentOf(furnished),
  },
)

test('README.md furnishes a depot for the runbooks', async (t) => succeeds(t, made))

const pages = (await readdir(join(CLONE, 'docs/runbooks')))
  .filter((name) => name.endsWith('.md') && name !== 'README.md')
  .map((name) => name.slice(0, -'.md'.length))

const pageOf = (scene: string) => scene.replace(/ .*/, '')

test('each runbook has a scene', async (t) =>
  t.strictSame([...new Set(Object.keys(SCENES).map(pageOf))].toSorted(), pages.toSorted()))

for (const [scene, { before, after, sections }] of Object.entries(SCENES)) {
  test(`the runbook ${scene} works`, async (t) => {
    const page = pageOf(scene)
    const folder = await mkdtemp(join(tmpdir(), 'hart-depot-runbook-'))
    t.teardown(() => rm(folder, { recursive: true, force: true }))
    await cp(furnished, folder, { recursive: true, preserveTimestamps: true })
    await chmod(join(folder, 'data'), 0o700)
    const replaced = replacements(folder, url)
    const parts = {
      [`before ${page}`]: `set -Eeuo pipefail; systemctl start hart-depot; ${before}`,
      [`docs/runbooks/${page}.md`]: scriptOf(await readDocument(`docs/runbooks/${page}.md`), {
        sections,
        replaced,
      }),
      [`after ${page}`]: `set -Eeuo pipefail; ${after}`,
    }
    const run = (name: string, script: string) =>
      runScript(replaceAll(script, replaced), { name, cwd: folder, env: environmentOf(folder) })
    try {
      for (const [name, script] of Object.entries(parts)) {
        const outcome = await run(name, script)
        succeeds(t, outcome)
        if (outcome.code !== 0) break
      }
    } finally {
      await run('stop', 'systemctl stop hart-depot; [ ! -e builder.pid ] || kill "$(cat builder.pid)"')
    }
  })
}
