import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/** A proxy of TCP connections that can cut them like a broken network: bytes stop arriving, without an error. */
export interface CuttableProxy {
  readonly port: number
  /** Holds everything back in both directions, on present and new connections. */
  cut(): void
  /** Holds back what the other end answers. It still gets what is sent to it. */
  cutAnswers(): void
  /** Lets everything through that was held back. */
  mend(): void
  /** Ends all connections, and passes new ones on to another port, as after a failover. */
  leadTo(port: number): void
}

/** Starts a proxy on a loopback port that passes everything on to another port. */
export async function startCuttableProxy(
  t: { teardown(fn: () => Promise<void>): unknown },
  to: number,
): Promise<CuttableProxy> {
  const sockets = new Map<Socket, 'asks' | 'answers'>()
  const cut = new Set<'asks' | 'answers'>()
  let target = to
  const carry = (from: Socket, into: Socket, what: 'asks' | 'answers'): void => {
    sockets.set(from, what)
    from.setNoDelay(true)
    from.on('data', (chunk) => into.write(chunk))
    from.on('end', () => into.end())
    from.on('error', () => into.destroy())
    from.on('close', () => {
      sockets.delete(from)
      into.destroy()
    })
    if (cut.has(what)) from.pause()
  }
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect(target, '127.0.0.1')
    far.once('error', () => near.destroy())
    carry(near, far, 'asks')
    carry(far, near, 'answers')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    server.close()
    for (const socket of sockets.keys()) socket.destroy()
    await once(server, 'close')
  })
  const hold = (...kinds: readonly ('asks' | 'answers')[]): void => {
    for (const kind of kinds) cut.add(kind)
    for (const [socket, kind] of sockets) if (cut.has(kind)) socket.pause()
  }
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => hold('asks', 'answers'),
    cutAnswers: () => hold('answers'),
    mend() {
      cut.clear()
      for (const socket of sockets.keys()) socket.resume()
    },
    leadTo(other) {
      target = other
      for (const socket of sockets.keys()) socket.destroy()
    },
  }
}
