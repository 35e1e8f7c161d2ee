import { once } from 'node:events'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { z } from 'zod'
import { DepotError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import type { SecretBox } from '../origins/secret-box.ts'
import type { Command, CommandKind, CommandQueue, Input, Outcome } from '../commands/commands.ts'

// The command line reaches the running process through a Unix socket in the data folder, which only the user
// of that process may open. A connection carries one command and its answer, each a line of JSON:
//
//   > {"kind":"revokeToken","input":{"tokenId":3},"actor":{"client":"…","door":"cli"}}
//   < {"outcome":{"account":"ci"}}      or      {"error":{"code":"not_found","message":"there is no token 3"}}

const SOCKET = 'control.sock'
const MAX_LINE_LENGTH = 1024 * 1024
/** How long a client may take to send its command, and later to close the connection. */
const MAX_SILENCE_MS = 10_000
/** How long the command line waits for the answer. */
const MAX_ANSWER_MS = 60_000
// A socket's path has room for 108 bytes on Linux and 104 on macOS, with the NUL that ends it.
const MAX_SOCKET_PATH_BYTES = 103

const SentCommand = z.object({
  kind: z.string(),
  // Users who may open this socket may also write to the database, so the input is trusted.
  input: z.custom<Command['input']>((value) => typeof value === 'object' && value !== null),
  actor: z.object({ client: z.string().max(200), door: z.literal('cli') }),
})

const Answer = z.union([
  z.object({ error: z.object({ code: z.string(), message: z.string() }) }),
  z.object({ outcome: z.unknown().optional() }),
])

/** The code of errors that are not a {@link DepotError}. The depot's log has the reason. */
const INTERNAL = 'internal'

/** The parts of a depot that commands need. */
interface ControlledDepot {
  readonly writer: CommandQueue
  readonly secrets: SecretBox
  readonly log: Logger
}

/**
 * Accepts commands on the socket of a data folder, which the caller must have locked. Replaces a socket that
 * a killed process left. `close` waits for commands in progress and removes the socket. Call `close` before
 * the writer is closed.
 */
export async function openControl(
  dataFolder: string,
  depot: ControlledDepot,
): Promise<{ close(): Promise<void> }> {
  /** Connections that have not sent a whole command. */
  const silent = new Set<Socket>()
  const server = createServer((socket) => {
    silent.add(socket)
    // If the connection breaks, only the client needs to know.
    socket.on('error', () => socket.destroy())
    socket.on('close', () => silent.delete(socket))
    socket.setTimeout(MAX_SILENCE_MS, () => {
      if (silent.has(socket) || socket.writableEnded) socket.destroy()
    })
    void serveCommand(socket, depot, () => silent.delete(socket))
  })
  const file = join(dataFolder, SOCKET)
  await rm(file, { force: true })
  await withShortPath(dataFolder, (path) => listenPrivately(server, path))
  return {
    async close() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of silent) socket.destroy()
      await closed
      await rm(file, { force: true })
    },
  }
}

/**
 * Connects to the process that holds the data folder; `undefined` if none accepts commands. {@link
 * sendCommand} closes the connection.
 */
export async function connectControl(dataFolder: string): Promise<Socket | undefined> {
  try {
    return await withShortPath(dataFolder, async (path) => {
      const socket = connect(path)
      await once(socket, 'connect')
      return socket
    })
  } catch (error) {
    if (
      error instanceof Error &&
      'code' in error &&
      (error.code === 'ENOENT' || error.code === 'ECONNREFUSED')
    )
      return undefined
    throw error
  }
}

/**
 * Like {@link Writer.submit}, over a connection, which it closes. Throws `shutting_down` if no answer comes,
 * but then the change may have been made. Throws an `Error` without details for an internal error of the
 * depot.
 */
export async function sendCommand<K extends CommandKind>(
  socket: Socket,
  command: Command<K>,
): Promise<Outcome<K>> {
  socket.setTimeout(MAX_ANSWER_MS, () => socket.destroy())
  let line: string | undefined
  try {
    socket.write(`${JSON.stringify(command)}\n`)
    line = await readLine(socket)
  } catch (cause) {
    throw unanswered(cause)
  } finally {
    socket.destroy()
  }
  if (line === undefined) throw unanswered(undefined)
  const answer = Answer.parse(JSON.parse(line))
  if (!('error' in answer)) return answer.outcome as Outcome<K>
  const { code, message } = answer.error
  throw code === INTERNAL ? new Error(message) : new DepotError(code as ErrorCode, message)
}

/** Runs the command of one connection, and answers it. Calls `onCommand` when the command has arrived. */
async function serveCommand(socket: Socket, depot: ControlledDepot, onCommand: () => void): Promise<void> {
  try {
    const line = await readLine(socket)
    onCommand()
    if (line === undefined) socket.destroy()
    else {
      const command = await parseCommand(line)
      expectDecryptable(command, depot)
      socket.end(`${JSON.stringify({ outcome: await depot.writer.submit(command) })}\n`)
    }
  } catch (error) {
    if (socket.destroyed) return
    socket.resume()
    if (!(error instanceof DepotError))
      depot.log.error({ err: error }, 'a command from the command line failed')
    const { code, message } =
      error instanceof DepotError
        ? error
        : { code: INTERNAL, message: 'internal error; see the log of the depot' }
    socket.end(`${JSON.stringify({ error: { code, message } })}\n`)
  }
}

async function parseCommand(line: string): Promise<Command> {
  let json: unknown
  try {
    json = JSON.parse(line)
  } catch (cause) {
    throw new DepotError('invalid_request', 'the command is not a line of JSON', { cause })
  }
  const parsed = SentCommand.safeParse(json)
  if (!parsed.success) throw new DepotError('invalid_request', 'the line is not a command')
  const { kind, input, actor } = parsed.data
  const { isCommandKind } = await import('../commands/commands.ts')
  if (!isCommandKind(kind))
    throw new DepotError(
      'invalid_request',
      `the running hart-depot has another version and does not know the command ${kind}`,
    )
  return { kind, input, actor }
}

/** Refuses secrets that the running depot could not decrypt. Throws `conflict`. */
function expectDecryptable({ kind, input }: Command, { secrets }: ControlledDepot): void {
  const { key } = input as Partial<Input<'resealSecrets'>>
  if (kind === 'resealSecrets' && (key === undefined || !secrets.has(key)))
    throw new DepotError(
      'conflict',
      `the running hart-depot does not have the key ${key}: restart it, and try again`,
    )
}

/** Reads the first line; `undefined` if the connection ends before the line does. Throws `too_large`. */
async function readLine(socket: Socket): Promise<string | undefined> {
  socket.setEncoding('utf8')
  let text = ''
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += String(chunk)
    if (text.length > MAX_LINE_LENGTH)
      throw new DepotError('too_large', `the line is longer than ${MAX_LINE_LENGTH} characters`)
    const end = text.indexOf('\n')
    if (end === -1) continue
    socket.resume() // otherwise the socket never ends
    return text.slice(0, end)
  }
  return undefined
}

/** Listens on a socket that has mode 0600 from its creation on. */
async function listenPrivately(server: Server, path: string): Promise<void> {
  const before = process.umask(0o177)
  try {
    server.listen(path)
  } finally {
    process.umask(before)
  }
  await once(server, 'listening')
}

/**
 * Runs `act` with a path short enough for a socket. If the real path is too long, uses a temporary symbolic
 * link.
 */
async function withShortPath<T>(dataFolder: string, act: (path: string) => Promise<T>): Promise<T> {
  const path = join(dataFolder, SOCKET)
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return act(path)
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-'))
  try {
    await symlink(dataFolder, join(folder, 'data'))
    return await act(join(folder, 'data', SOCKET))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function unanswered(cause: unknown): DepotError {
  const message = 'the running hart-depot did not answer; it may have made the change'
  return new DepotError('shutting_down', message, { cause })
}
