import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/** A proxy of TCP connections that can cut them like a broken network: bytes stop arriving, without an error. */
export interface CuttableProxy {
  readonly port: number
  /** Holds everything back in both directions, on present and new connections. */
  cut(): void
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
  const sockets = new Set<Socket>()
  let isCut = false
  let target = to
  const carry = (from: Socket, into: Socket): void => {
    sockets.add(from)
    from.setNoDelay(true)
    from.on('data', (chunk) => into.write(chunk))
    from.on('end', () => into.end())
    from.on('error', () => into.destroy())
    from.on('close', () => {
      sockets.delete(from)
      into.destroy()
    })
    if (isCut) from.pause()
  }
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect(target, '127.0.0.1')
    far.once('error', () => near.destroy())
    carry(near, far)
    carry(far, near)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    server.close()
    for (const socket of sockets) socket.destroy()
    await once(server, 'close')
  })
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      isCut = true
      for (const socket of sockets) socket.pause()
    },
    mend() {
      isCut = false
      for (const socket of sockets) socket.resume()
    },
    leadTo(other) {
      target = other
      for (const socket of sockets) socket.destroy()
    },
  }
}
