import { execFileSync, spawnSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import tap, { test } from 'tap'
import { commandsOn, runCommand } from '../support/command.ts'
import { makeOrigin, publishAll } from '../support/origin.ts'
import { startDepot } from '../support/start-depot.ts'

const OLDER = 'acme/app/1.0.0/20260101120000'
const NEWER = 'acme/app/1.1.0/20260102120000'

const started = await startDepot(tap, { listen: true })
await makeOrigin(started)
await publishAll(started, OLDER, NEWER)
const run = commandsOn(started)

async function complete(...words: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await run(['__complete', '--', ...words])
  if (code !== 0 || stderr !== '') throw new Error(`${code} ${stderr}`)
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t')[0] ?? '')
}

test('commands, subcommands and options are completed', async (t) => {
  t.strictSame(await complete('pro'), ['promote', 'propose', 'proposals'])
  t.strictSame(await complete('webhook', 're'), ['resume', 'redeliver'])
  t.strictSame(await complete('orig'), ['origin'])
  t.strictSame(await complete('plan', 'ro'), ['rollback'])
  t.strictSame(await complete('plan', 'promote', '--wi'), ['--with-deps'])
  t.strictSame(await complete('promote', '--y'), ['--yes'])
  t.strictSame(await complete('completion', ''), ['bash', 'zsh', 'fish'])
  t.strictSame(await complete('set-rule', 'union', ''), ['promoted', 'highest'])
  t.strictSame(await complete('nonsense', ''), [])
  t.strictSame(await complete('upload', 'x'), [], 'the shell completes files')
  const described = await run(['__complete', '--', 'whoa'])
  t.equal(described.stdout, 'whoami\tshow the account and the rights of the token\n')
})

test('views, idents, origins and accounts come from the depot', async (t) => {
  t.strictSame(await complete('view', 'ac'), ['acceptance'])
  t.strictSame(await complete('promote', 'union', '--from', 'reh'), ['rehearsal'])
  t.strictSame(await complete('promote', 'union', '--from=reh'), ['--from=rehearsal'])
  t.strictSame(await complete('promote', 'union', '--from', '=', 'reh'), ['rehearsal'], 'bash splits at =')
  t.strictSame(await complete('show', 'a'), ['acme/'])
  t.strictSame(await complete('show', 'acme/'), ['acme/app/'])
  t.strictSame((await complete('show', 'acme/app/')).toSorted(), [OLDER, NEWER])
  t.strictSame(await complete('promote', OLDER, 'acme/app/1.1'), [NEWER])
  t.strictSame((await complete('promote', '--reason', 'a view', 'un')).toSorted(), ['union', 'unstable'])
  t.strictSame(await complete('origin', 'show', ''), ['acme'])
  t.strictSame(await complete('token', 'add', ''), ['admin'])
})

test('without a depot, nothing is completed and nothing is said', async (t) => {
  for (const env of [{}, { HART_DEPOT_URL: 'http://127.0.0.1:9' }, { HART_DEPOT_URL: 'nonsense' }])
    t.strictSame(await runCommand(['__complete', '--', 'view', 'ac'], { env }), {
      code: 0,
      stdout: '',
      stderr: '',
    })
})

/** A folder with a `hart-depot` that runs the sources. */
async function makeProgram(t: Parameters<typeof startDepot>[0]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-completion-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const main = resolve(import.meta.dirname, '../../src/main.ts')
  const file = join(folder, 'hart-depot')
  await mkdir(folder, { recursive: true })
  await writeFile(file, `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`)
  await chmod(file, 0o755)
  return folder
}

const PROBES = {
  bash: `source FILE; COMP_WORDS=(hart-depot webhook re); COMP_CWORD=2; _hart_depot hart-depot; printf '%s\\n' "\${COMPREPLY[@]}"`,
  fish: 'source FILE; complete -C "hart-depot webhook re" | string replace -r "\\t.*" ""',
  zsh: 'function compdef() { :; }; function _describe() { print -l -- ${(@)${(P)2}%%:*}; }; words=(hart-depot webhook re); CURRENT=3; source FILE; _hart_depot',
}

for (const [shell, probe] of Object.entries(PROBES)) {
  if (spawnSync(shell, ['-c', 'exit 0']).status !== 0) continue // it is not installed
  test(`${shell} completes with its script`, async (t) => {
    const folder = await makeProgram(t)
    const file = join(folder, 'script')
    await writeFile(file, (await runCommand(['completion', shell])).stdout)
    const env = {
      ...process.env,
      PATH: `${folder}:${process.env['PATH']}`,
      HOME: folder,
      NODE_COMPILE_CACHE: resolve(import.meta.dirname, '../../node_modules/.cache/hart-depot'),
    }
    const args = shell === 'fish' ? ['--no-config', '-c'] : ['-c']
    const found = execFileSync(shell, [...args, probe.replace('FILE', file)], { env, encoding: 'utf8' })
    t.strictSame(found.trim().split('\n').toSorted(), ['redeliver', 'resume'])
  })
}
