import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { ServerProcess } from './process.ts'

// Servers that are programs of others.

const MAX_START_MS = 20_000

/** Whether a program is in `PATH`. */
export function has(program: string): boolean {
  try {
    execFileSync('sh', ['-c', 'command -v "$1"', 'sh', program], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/**
 * Starts a server that listens on this port of 127.0.0.1, and waits until it does. Its processor time is
 * known only on Linux.
 */
export async function startProgram(
  port: number,
  command: string,
  args: readonly string[],
): Promise<ServerProcess> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  await once(child, 'spawn')
  const gone = once(child, 'exit')
  const { pid } = child
  if (pid === undefined) throw new Error(`${command} did not start`)
  await listening(port)
  return {
    pid,
    port,
    cpuMs: async () => cpuMsOf(pid),
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await gone
    },
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/**
 * Returns the nanoseconds that its threads ran, kernel time included. /proc/PID/stat would count in
 * hundredths of a second.
 */
export function cpuMsOf(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`)
  return (
    threads.reduce(
      (sum, thread) =>
        sum + Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
      0,
    ) / 1e6
  )
}

async function listening(port: number): Promise<void> {
  const deadline = Date.now() + MAX_START_MS
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return
    } catch (error) {
      if (Date.now() > deadline) throw error
      await pause(20)
    } finally {
      socket.destroy()
    }
  }
}
