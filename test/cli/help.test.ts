import { globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { EXIT } from '../../src/cli/exit-codes.ts'
import { PHASES } from '../../src/cli/pipeline/phase.ts'
import { ENTRIES } from '../../src/cli/program/program.ts'
import { runCommand } from '../support/command.ts'

test('every command has help with two examples', async (t) => {
  for (const { name, summary } of ENTRIES) {
    const { code, stdout } = await runCommand([...name.split(' '), '--help'])
    t.equal(code, 0, name)
    t.ok(stdout.replaceAll(/\s+/g, ' ').includes(summary), `${name} says what it does`)
    t.ok(stdout.split(`\n  hart-depot ${name}`).length > 2, `${name} has two examples`)
    t.strictSame(await runCommand(['help', ...name.split(' ')]), { code, stdout, stderr: '' }, name)
  }
})

test('every change has help with two examples also where it is planned or proposed', async (t) => {
  for (const verb of ['plan', 'propose'])
    for (const act of ['promote', 'demote', 'rollback', 'revert', 'set-rule']) {
      const { code, stdout } = await runCommand([verb, act, '--help'])
      t.equal(code, 0)
      t.ok(stdout.split(`\n  hart-depot ${verb} ${act}`).length > 2, `${verb} ${act} has two examples`)
      t.strictSame(await runCommand(['help', verb, act]), { code, stdout, stderr: '' })
    }
  t.match(await runCommand(['plan']), { code: 2, stdout: '', stderr: /name a change/ })
  t.match(await runCommand(['plan', 'rolback', 'union']), { code: 2, stderr: /did you mean rollback\?/ })
})

test('every phase has help with two examples', async (t) => {
  for (const name of [...PHASES, 'run', 'status', 'schema']) {
    const { code, stdout } = await runCommand(['pipeline', name, '--help'])
    t.equal(code, 0)
    t.ok(stdout.split(`\n  hart-depot pipeline ${name}`).length > 2, `pipeline ${name} has two examples`)
  }
})

test('all help fits a terminal of 60 and of 80 columns', async (t) => {
  const groups = new Set(ENTRIES.flatMap(({ name }) => (name.includes(' ') ? [name.split(' ', 1)] : [])))
  const changes = ['plan', 'propose'].map((verb) => [verb, 'promote'])
  const phases = PHASES.map((phase) => ['pipeline', phase])
  const all = [[], ...groups, ...changes, ...phases, ...ENTRIES.map(({ name }) => name.split(' '))]
  for (const columns of [60, 80])
    for (const words of all) {
      const { stdout } = await runCommand([...words, '--help'], { columns })
      const tooLong = stdout
        .split('\n')
        .filter((line) => line.length > columns && !isUnbreakable(line, columns))
      t.strictSame(tooLong, [], `${words.join(' ')} at ${columns}`)
    }
})

/** Idents and URLs of examples stay whole: they are the only word of their line that is too long. */
function isUnbreakable(line: string, columns: number): boolean {
  return line
    .replace(/ \\$/, '')
    .split(' ')
    .some((word) => word.length > columns - 10)
}

test('unknown commands and options get a hint', async (t) => {
  t.match(await runCommand(['promte']), { code: 2, stderr: /did you mean promote\?/ })
  t.match(await runCommand(['whoami', '--jsn']), { code: 2, stderr: /did you mean --json\?/ })
})

test('sources and documents name commands that exist', async (t) => {
  const names = ENTRIES.map(({ name }) => name)
  const nouns = new Set(
    names.map((name) => name.split(' ', 1)[0] ?? '').filter((noun) => !names.includes(noun)),
  )
  const root = join(import.meta.dirname, '../..')
  for (const file of globSync(['src/**/*.ts', '*.md', 'docs/*.md', 'docs/runbooks/*.md'], { cwd: root })) {
    const text = await readFile(join(root, file), 'utf8')
    for (const [, noun = '', verb = ''] of text.matchAll(/\bhart-depot ([a-z-]+) ([a-z]+(?:-[a-z]+)*)/g))
      if (nouns.has(noun)) t.ok(names.includes(`${noun} ${verb}`), `${file}: hart-depot ${noun} ${verb}`)
  }
})

test('docs/cli.md explains every exit code', async (t) => {
  const document = await readFile(new URL('../../docs/cli.md', import.meta.url), 'utf8')
  const rows = document.matchAll(/^\| ([\d, ]+) \|/gm)
  const explained = [...rows].flatMap(([, codes = '']) => codes.split(', ').map(Number))
  t.strictSame(explained, Object.values(EXIT))
})
