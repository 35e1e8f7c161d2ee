import { test } from 'tap'
import { ENTRIES } from '../../src/cli/program.ts'
import { runCommand } from '../support/command.ts'

test('every command has help with two examples', async (t) => {
  for (const { name, summary, load } of ENTRIES) {
    const { code, stdout } = await runCommand([...name.split(' '), '--help'])
    t.equal(code, 0, name)
    t.ok(stdout.includes(summary), `${name} says what it does`)
    if (typeof (await load()) === 'function')
      t.ok(stdout.split(`\n  hart-depot ${name}`).length > 2, `${name} has two examples`)
    t.strictSame(await runCommand(['help', ...name.split(' ')]), { code, stdout, stderr: '' }, name)
  }
})

test('unknown commands and options get a hint', async (t) => {
  t.match(await runCommand(['promte']), { code: 2, stderr: /did you mean promote\?/ })
  t.match(await runCommand(['whoami', '--jsn']), { code: 2, stderr: /did you mean --json\?/ })
})
