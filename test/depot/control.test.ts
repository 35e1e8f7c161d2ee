import { once } from 'node:events'
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'tap'
import type { DepotError } from '../../src/errors.ts'
import { connectControl, openControl, sendCommand } from '../../src/depot/control.ts'
import type { Command, CommandKind } from '../../src/commands/commands.ts'
import { scratchFolder } from '../support/run-cli.ts'
import { startDepot } from '../support/start-depot.ts'

const actor = { client: 'tests', door: 'cli' } as const

test('a command, its outcome and its refusal cross the socket', async (t) => {
  const { depot, folder } = await startDepot(t)
  const control = await openControl(folder, depot)
  t.teardown(() => control.close())
  t.strictSame(await send(folder, { kind: 'addAccount', input: { name: 'ci' }, actor }), { accountId: 2 })
  t.equal(await send(folder, { kind: 'setUp', input: { adminTokenHash: undefined }, actor }), undefined)
  await t.rejects(send(folder, { kind: 'revokeToken', input: { tokenId: 77 }, actor }), {
    code: 'not_found',
    message: 'there is no token 77',
  } satisfies Partial<DepotError>)
})

test('an internal error is only logged', async (t) => {
  const { depot, folder, logged } = await startDepot(t)
  const control = await openControl(folder, depot)
  t.teardown(() => control.close())
  const answer = JSON.parse(
    await say(folder, '{"kind":"addAccount","input":{},"actor":{"client":"x","door":"cli"}}\n'),
  ) as unknown
  t.strictSame(answer, {
    error: { code: 'internal', message: 'internal error; see the log of the depot' },
  })
  t.match(logged.at(-1), { msg: 'a command from the command line failed', err: { type: 'TypeError' } })
})

test('malformed lines are refused', async (t) => {
  const { depot, folder } = await startDepot(t)
  const control = await openControl(folder, depot)
  t.teardown(() => control.close())
  for (const [line, code] of [
    ['hello\n', 'invalid_request'],
    ['{"kind":"addAccount"}\n', 'invalid_request'],
    ['{"kind":"toString","input":{},"actor":{"client":"x","door":"cli"}}\n', 'invalid_request'],
    [
      '{"kind":"addAccount","input":{"name":"x"},"actor":{"client":"x","door":"habitat"}}\n',
      'invalid_request',
    ],
    ['x'.repeat(2 * 1024 * 1024), 'too_large'],
  ] as const) {
    t.match(JSON.parse(await say(folder, line)), { error: { code } }, line.slice(0, 40))
  }
})

test('the socket is private, replaces that of a killed process, and is removed at the end', async (t) => {
  const { depot, folder } = await startDepot(t)
  await writeFile(join(folder, 'control.sock'), 'left behind')
  const control = await openControl(folder, depot)
  const { mode } = await stat(join(folder, 'control.sock'))
  t.equal(mode & 0o777, 0o600)

  const silent = connect(join(folder, 'control.sock'))
  silent.on('error', () => undefined)
  await once(silent, 'connect')
  await control.close()
  t.notOk((await readdir(folder)).includes('control.sock'), 'an idle connection does not keep it open')
  t.equal(await connectControl(folder), undefined)
  silent.destroy()
})

test('a data folder may have a path too long for a socket', async (t) => {
  const folder = join(await scratchFolder(t), 'x'.repeat(120))
  await mkdir(folder)
  const { depot } = await startDepot(t, { folder })
  t.equal(await connectControl(folder), undefined)
  const control = await openControl(folder, depot)
  t.ok((await readdir(folder)).includes('control.sock'))
  t.strictSame(await send(folder, { kind: 'addAccount', input: { name: 'ci' }, actor }), { accountId: 2 })
  await control.close()
  t.notOk((await readdir(folder)).includes('control.sock'))
})

test('a connection without an answer is distinguished from a refusal', async (t) => {
  const { depot, folder } = await startDepot(t)
  const control = await openControl(folder, depot)
  const socket = await connectControl(folder)
  if (socket === undefined) throw new Error('nobody listens')
  await control.close()
  await t.rejects(sendCommand(socket, { kind: 'addAccount', input: { name: 'ci' }, actor }), {
    code: 'shutting_down',
  })
})

async function send<K extends CommandKind>(folder: string, command: Command<K>) {
  const socket = await connectControl(folder)
  if (socket === undefined) throw new Error('nobody listens')
  return sendCommand(socket, command)
}

/** Returns everything that the depot answers to these bytes. */
async function say(folder: string, bytes: string): Promise<string> {
  const socket = connect(join(folder, 'control.sock')).setEncoding('utf8')
  socket.on('error', () => undefined)
  let heard = ''
  socket.on('data', (text: string) => {
    heard += text
  })
  socket.write(bytes)
  await once(socket, 'close')
  return heard
}
