import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Target } from '../../../package/target.ts'
import { TARGETS } from '../../../package/target.ts'
import { printable } from '../../../text/columns.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { UsageError } from '../../exit-codes.ts'
import { describeFailure } from '../../failure.ts'
import { UntrustedSigner, follow as followView } from '../../follow/follower.ts'
import type { FollowEvent } from '../../follow/follower.ts'
import { placeInSpread, readMachineId, targetOfMachine } from '../../follow/machine.ts'
import { serveServices } from '../../follow/services.ts'
import { StateFolder } from '../../follow/state.ts'
import type { State } from '../../follow/state.ts'
import { pathOf } from '../../io.ts'
import type { Io } from '../../io.ts'
import type { Output } from '../../output.ts'
import { periodMs } from '../arguments.ts'
import { connect, remoteOptions } from '../connect.ts'
import { findKeyFile, readKeyFile } from '../key-files.ts'

export const follow: Define = (command, io) =>
  remoteOptions(command)
    .argument('<package>', 'the package, origin/name')
    .requiredOption('--view <view>', 'the view to follow')
    .requiredOption('--exec <hook>', 'the program that updates this machine; it gets the ident and the path')
    .option(
      '--key <file>',
      'a public key that is trusted, besides those where hab keeps keys; repeatable',
      (file: string, before: readonly string[]) => [...before, file],
      [],
    )
    .option('--target <target>', 'the target; the default is that of this machine')
    .option('--state <folder>', 'where it keeps its state and packages; see docs/machines.md')
    .option(
      '--spread <period>',
      'wait up to this period before following a move; each machine always waits its own part of it',
      '0',
    )
    .option('--hook-timeout <period>', 'when to kill a hook that does not end, with its children', '10m')
    .option('--listen <host:port>', 'answer GET /services as a Supervisor does, for hart-depot fleet')
    .option('--once', 'update this machine now if the view demands it, and end')
    .addHelpText(
      'after',
      examples([
        [
          'follow acme/app --view delivered --exec ./update.sh --key acme-20260101000000.pub',
          'run ./update.sh IDENT PATH for each release that becomes the latest, also for lower ones',
        ],
        [
          'follow acme/app --view delivered --exec ./update.sh --spread 10m --listen 0.0.0.0:9631',
          'let the machines of a fleet update one after another, and tell what runs',
        ],
        ['follow acme/app --view delivered --exec ./update.sh --once', 'update now, for example by cron'],
      ]),
    )
    .action(async (name, { view, exec, key: keys, listen, ...options }) => {
      if (!/^[^/]+\/[^/]+$/.test(name))
        throw new UsageError(`${name} is no package: write origin/name, for example acme/app`)
      const target = targetOf(options.target)
      const { depot, out } = connect(io, options)
      const spreadMs = periodMs(options.spread, '--spread')
      const hookTimeoutMs = periodMs(options.hookTimeout, '--hook-timeout')
      const address = listen === undefined ? undefined : addressOf(listen)
      const hook = pathOf(io, exec)
      await expectProgram(hook)
      for (const file of keys) await expectKey(pathOf(io, file))
      const folder = await StateFolder.open(
        join(stateFolderOf(io, options.state), `${name.replace('/', '-')}-${target}`),
      )
      let server: Awaited<ReturnType<typeof serveServices>> | undefined
      try {
        expectPackage(name, folder)
        server = address && (await serveServices(address, folder, { depotUrl: depot.url, view }))
        if (options.once !== true) out.note(beginning(name, view, depot.url, folder.state))
        await followView(io, {
          depot,
          view,
          package: name,
          target,
          hook,
          hookTimeoutMs,
          delayMs: Math.round(spreadMs * placeInSpread(await readMachineId(), name)),
          folder,
          findKey: async (signer) => trustedKey(io, signer, keys),
          isOnce: options.once === true,
          report: reporter(io, out, options.json === true),
        })
      } finally {
        server?.close()
        server?.closeAllConnections()
        folder.close()
      }
    })

/**
 * Throws a UsageError if the folder has the state of another package: `a/b-c` and `a-b/c` have the same
 * folder.
 */
function expectPackage(name: string, { path, state }: StateFolder): void {
  if (state === undefined || state.ident.startsWith(`${name}/`)) return
  throw new UsageError(
    `${path} has the state of ${printable(state.ident)}: name another folder with --state, or remove this one`,
  )
}

/** Throws a UsageError unless this path is a file that may be executed. */
async function expectProgram(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isFile() !== true) throw new UsageError(`--exec: there is no file ${path}`)
  await access(path, constants.X_OK).catch(() => {
    throw new UsageError(`--exec: ${path} may not be executed: run chmod +x on it`)
  })
}

/** Throws a UsageError unless this path is a public key file. */
async function expectKey(path: string): Promise<void> {
  try {
    await readKeyFile(path)
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(`--key: ${describeFailure(error)}`)
  }
}

/** Says what begins, because the first event may come much later. */
function beginning(name: string, view: string, url: string, state: State | undefined): string {
  const present =
    state === undefined
      ? 'No release was given to the hook yet'
      : state.status === 'running'
        ? `This machine runs ${state.ident}`
        : `The update to ${state.ident} has not succeeded yet`
  return printable(`Following ${name} in ${view} of ${url}. ${present}.`)
}

/**
 * Returns a public key from a file of this machine. A key that comes from the depot would not show that the
 * depot has changed a package.
 */
async function trustedKey(io: Io, signer: string, keys: readonly string[]): Promise<string> {
  const key = await findKeyFile(io, signer, keys)
  if (key !== undefined) return key
  throw new UntrustedSigner(
    `${signer} signed the release, and this machine does not trust that key: give its file with --key`,
  )
}

function targetOf(given: string | undefined): Target {
  if (given === undefined) return targetOfMachine()
  const target = TARGETS.find((known) => known === given)
  if (target === undefined) throw new UsageError(`${given} is no target; targets are ${TARGETS.join(', ')}`)
  return target
}

/** Returns the folder for states. systemd sets STATE_DIRECTORY for a service that has StateDirectory=. */
function stateFolderOf(io: Io, given: string | undefined): string {
  if (given !== undefined) return pathOf(io, given)
  const { STATE_DIRECTORY: ofService, XDG_STATE_HOME: state, HOME: home = homedir() } = io.env
  return ofService ?? join(state ?? join(home, '.local/state'), 'hart-depot', 'follow')
}

function addressOf(text: string): { host: string; port: number } {
  const [, host = '', port = ''] = /^(?:\[?([\w.:-]+?)\]?:)?(\d{1,5})$/.exec(text) ?? []
  if (port === '' || Number(port) > 65_535)
    throw new UsageError(`--listen is HOST:PORT, for example 0.0.0.0:9631, not ${JSON.stringify(text)}`)
  return { host: host === '' ? '127.0.0.1' : host, port: Number(port) }
}

/** Returns a function that prints events. With `--json`, each is a document on a line of its own. */
function reporter(io: Io, out: Output, isJson: boolean): (event: FollowEvent) => void {
  let before = ''
  return (event) => {
    const text = JSON.stringify(event)
    if (text === before) return // a trouble that goes on is printed once
    before = text
    if (isJson) io.stdout.write(`${JSON.stringify({ at: new Date(io.now()).toISOString(), ...event })}\n`)
    else if (event.event === 'running')
      out.show(event, { whole: () => `${event.ident} runs.`, brief: () => [event.ident] })
    else if (event.event !== 'failed') out.note(sentenceOf(event)) // the trouble that follows says why
  }
}

function sentenceOf(event: Exclude<FollowEvent, { event: 'running' | 'failed' }>): string {
  switch (event.event) {
    case 'waiting':
      return `${event.ident} is the latest release; this machine follows at ${event.until}.`
    case 'updating':
      return `Updating to ${event.ident}: ${event.file}`
    case 'nothing':
    case 'trouble':
      return printable(`${event.detail}.`)
    default:
      return event satisfies never
  }
}
