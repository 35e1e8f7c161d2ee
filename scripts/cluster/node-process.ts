import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { whenGone } from './when-gone.ts'

/** The folder of this version of the program. */
const ROOT = resolve(import.meta.dirname, '../..')
const mainOf = (root: string) => join(root, 'src/main.ts')
/** How long a node that ended by itself waits before it starts again. */
const AGAIN_MS = 500

/**
 * Runs a command of the depot to its end, and resolves with what it prints. Rejects if it fails. `root` is the
 * folder of the program.
 */
export async function runCommand(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  root = ROOT,
): Promise<string> {
  const child = spawn(process.execPath, [mainOf(root), ...args], { env: { ...process.env, ...environment } })
  const [printed, said, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ])
  if (code !== 0) throw new Error(`hart-depot ${args.join(' ')} ended with ${code}: ${printed}${said}`)
  return printed
}

/** A process that serves a depot, and starts again when it ends by itself, as under a service manager. */
export class NodeProcess {
  readonly name: string
  readonly port: number
  readonly url: string
  /** Its data folder, which holds uploads that are being received, and the log of this process. */
  readonly folder: string
  readonly #environment: Readonly<Record<string, string>>
  readonly #root: string
  #child: ChildProcess | undefined
  #isWanted = false
  #starting: Promise<void> | undefined
  /** How often it ended by itself. */
  ends = 0

  constructor(options: {
    name: string
    port: number
    folder: string
    environment: Readonly<Record<string, string>>
    /** The folder of the program, by default of this version. */
    root?: string
  }) {
    this.#root = options.root ?? ROOT
    this.name = options.name
    this.port = options.port
    this.folder = join(options.folder, options.name)
    this.url = `http://127.0.0.1:${options.port}`
    this.#environment = {
      ...options.environment,
      DEPOT_DATA: this.folder,
      DEPOT_LISTEN: `127.0.0.1:${options.port}`,
    }
  }

  /** The process id, while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Starts the process. Resolves once it listens. */
  async start(): Promise<void> {
    this.#isWanted = true
    this.#starting ??= this.#launch().finally(() => {
      this.#starting = undefined
    })
    await this.#starting
  }

  /** Sends a signal. The process starts again if that ends it. */
  kill(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  /** Stops the process and lets requests in flight end. */
  async stop(): Promise<void> {
    this.#isWanted = false
    await this.#starting?.catch(() => undefined)
    const child = this.#child
    if (child === undefined) return
    const ended = once(child, 'exit')
    child.kill('SIGCONT')
    child.kill('SIGTERM')
    await ended
  }

  async #launch(): Promise<void> {
    await mkdir(this.folder, { recursive: true })
    const log = createWriteStream(join(this.folder, 'node.log'), { flags: 'a' })
    const child = spawn(process.execPath, [mainOf(this.#root), 'serve'], {
      env: { ...process.env, ...this.#environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // Ctrl-C ends the cluster in order
    })
    this.#child = child
    const cancel = whenGone('kill -9 "$1"', [String(child.pid)])
    const { promise, resolve: ready, reject } = Promise.withResolvers<void>()
    let printed = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        log.write(chunk)
        printed = (printed + String(chunk)).slice(-10_000)
        if (printed.includes('listens on')) ready()
      })
    child.once('exit', (code, signal) => {
      cancel()
      this.#child = undefined
      reject(new Error(`${this.name} ended with ${code ?? signal}: ${printed}`))
      if (!this.#isWanted) return
      this.ends += 1
      setTimeout(() => this.#again(), AGAIN_MS).unref()
    })
    await promise
  }

  #again(): void {
    if (this.#isWanted && this.#child === undefined) void this.start().catch(() => undefined) // its end starts it again
  }
}
