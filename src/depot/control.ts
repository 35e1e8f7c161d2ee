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
import { isCommandKind } from '../commands/commands.ts'
import type { Command, CommandKind, Outcome } from '../commands/commands.ts'
import type { DepotWriter } from '../writer/writer.ts'

// How the command line reaches the process that holds a data directory: a Unix socket in it, which only the user of that process
// may open. A connection carries one command and its answer, a line of JSON each:
//
//   > {"kind":"revokeToken","input":{"tokenId":3},"actor":{"client":"…","door":"cli"}}
//   < {"outcome":{"account":"ci"}}      or      {"error":{"code":"not_found","message":"there is no token 3"}}

const SOCKET = 'control.sock'
const LONGEST_LINE = 1024 * 1024
const LONGEST_SILENCE_MS = 10_000
const LONGEST_ANSWER_MS = 60_000
// A socket's path has room for 108 bytes on Linux and 104 on macOS, with the NUL that ends it.
const LONGEST_PATH_BYTES = 103

const SentCommand = z.object({
  kind: z.string(),
  // Who may write to this socket may write to the database: what stands in here is between the two halves of one program.
  input: z.custom<Command['input']>((value) => typeof value === 'object' && value !== null),
  actor: z.object({ client: z.string().max(200), door: z.literal('cli') }),
})

const Answer = z.union([
  z.object({ error: z.object({ code: z.string(), message: z.string() }) }),
  z.object({ outcome: z.unknown().optional() }),
])

/** What a failure is called that is the depot's own fault; its log has the reason. */
const INTERNAL = 'internal'

/**
 * Takes commands on the socket of a data directory, which the caller must hold: a socket that is there was left by a process that
 * was killed, and is replaced. Closing it answers what was asked and removes the socket; do so before closing the writer.
 */
export async function openControl(
  dataFolder: string,
  world: { writer: DepotWriter; log: Logger },
): Promise<{ close(): Promise<void> }> {
  const unasked = new Set<Socket>()
  const server = createServer((socket) => {
    unasked.add(socket)
    // A connection that breaks off is the affair of who opened it.
    socket.on('error', () => socket.destroy())
    socket.on('close', () => unasked.delete(socket))
    socket.setTimeout(LONGEST_SILENCE_MS, () => {
      if (unasked.has(socket) || socket.writableEnded) socket.destroy()
    })
    void serveCommand(socket, world, () => unasked.delete(socket))
  })
  const file = join(dataFolder, SOCKET)
  await rm(file, { force: true })
  await withShortPath(dataFolder, (path) => listenPrivately(server, path))
  return {
    async close() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of unasked) socket.destroy()
      await closed
      await rm(file, { force: true })
    },
  }
}

/** A connection to the process that holds the data directory; `undefined` when none takes commands there. {@link sendCommand} closes it. */
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

/** As {@link Writer.submit}, over a connection, which it closes. Throws `shutting_down` when no answer came: the change may have been made. */
export async function sendCommand<K extends CommandKind>(
  socket: Socket,
  command: Command<K>,
): Promise<Outcome<K>> {
  socket.setTimeout(LONGEST_ANSWER_MS, () => socket.destroy())
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

async function serveCommand(
  socket: Socket,
  world: { writer: DepotWriter; log: Logger },
  onAsked: () => void,
): Promise<void> {
  try {
    const line = await readLine(socket)
    onAsked()
    if (line === undefined) socket.destroy()
    else socket.end(`${JSON.stringify({ outcome: await world.writer.submit(parseCommand(line)) })}\n`)
  } catch (error) {
    if (socket.destroyed) return
    socket.resume()
    if (!(error instanceof DepotError))
      world.log.error({ err: error }, 'a command from the command line failed')
    const { code, message } =
      error instanceof DepotError
        ? error
        : { code: INTERNAL, message: "an error of the depot's own; its log has it" }
    socket.end(`${JSON.stringify({ error: { code, message } })}\n`)
  }
}

function parseCommand(line: string): Command {
  let json: unknown
  try {
    json = JSON.parse(line)
  } catch (cause) {
    throw new DepotError('invalid_request', 'the command is not a line of JSON', { cause })
  }
  const parsed = SentCommand.safeParse(json)
  if (!parsed.success) throw new DepotError('invalid_request', 'the line is not a command')
  const { kind, input, actor } = parsed.data
  if (!isCommandKind(kind))
    throw new DepotError(
      'invalid_request',
      `the running hart-depot knows no ${kind}: it is of another version`,
    )
  return { kind, input, actor }
}

/** The first line, without its end; `undefined` when the connection ends before that. Throws `too_large`. */
async function readLine(socket: Socket): Promise<string | undefined> {
  socket.setEncoding('utf8')
  let text = ''
  for await (const piece of socket.iterator({ destroyOnReturn: false })) {
    text += String(piece)
    if (text.length > LONGEST_LINE)
      throw new DepotError('too_large', `the line is longer than ${LONGEST_LINE} characters`)
    const end = text.indexOf('\n')
    if (end === -1) continue
    socket.resume() // or its end would never be seen
    return text.slice(0, end)
  }
  return undefined
}

/** Listens on a socket of mode 0600 from its first moment: connecting takes the right to write. */
async function listenPrivately(server: Server, path: string): Promise<void> {
  const before = process.umask(0o177)
  try {
    server.listen(path)
  } finally {
    process.umask(before)
  }
  await once(server, 'listening')
}

/** Runs `act` with a path that the system takes for a socket: where the real one is too long, one through a link that lasts as long. */
async function withShortPath<T>(dataFolder: string, act: (path: string) => Promise<T>): Promise<T> {
  const path = join(dataFolder, SOCKET)
  if (Buffer.byteLength(path) <= LONGEST_PATH_BYTES) return act(path)
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-'))
  try {
    await symlink(dataFolder, join(folder, 'data'))
    return await act(join(folder, 'data', SOCKET))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function unanswered(cause: unknown): DepotError {
  const message =
    'the running hart-depot gave no answer: it may have stopped before or after making the change'
  return new DepotError('shutting_down', message, { cause })
}
