import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { once } from 'node:events'

/** A TCP proxy in front of a database server, which cuts connections on purpose. */
export interface CuttingProxy {
  /** The database's URL through the proxy. */
  readonly url: string
  /**
   * When a statement with this text is next sent, cuts its connection: `before` the server has it, or `after`
   * it has it, so that it runs and its answer is lost.
   */
  cutNext(text: string, when: 'before' | 'after'): void
  /** Refuses all connections and cuts those that there are, until `restore`. */
  sever(): void
  restore(): void
  /** How many connections were cut because of a text. */
  readonly cuts: number
  /** How often clients sent something. */
  readonly messages: number
}

/** Starts a proxy, which stops when the test ends. */
export async function startCuttingProxy(
  t: { teardown(fn: () => Promise<void>): unknown },
  target: string,
): Promise<CuttingProxy> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  let cutting: { text: string; when: 'before' | 'after' } | undefined
  let isSevered = false
  let cuts = 0
  let messages = 0
  const server = createServer((client) => {
    if (isSevered) {
      client.resetAndDestroy()
      return
    }
    const upstream = connect(Number(port), hostname)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => sockets.delete(socket))
    }
    const cut = () => {
      cuts += 1
      client.resetAndDestroy()
    }
    let isCut = false
    client.on('data', (data) => {
      messages += 1
      if (cutting !== undefined && data.includes(cutting.text)) {
        const { when } = cutting
        cutting = undefined
        isCut = true
        if (when === 'after') upstream.write(data)
        else upstream.resetAndDestroy()
        cut()
      } else upstream.write(data)
    })
    upstream.on('data', (data) => {
      if (!isCut) client.write(data)
    })
    client.on('end', () => upstream.end())
    // After a cut the server still ends the statement that it has.
    client.on('close', () => setImmediate(() => upstream.end()))
    upstream.on('close', () => client.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  const url = new URL(target)
  url.port = String((server.address() as AddressInfo).port)
  url.hostname = '127.0.0.1'
  return {
    url: url.href,
    cutNext: (text, when) => (cutting = { text, when }),
    sever() {
      isSevered = true
      for (const socket of sockets) socket.resetAndDestroy()
    },
    restore: () => (isSevered = false),
    get cuts() {
      return cuts
    },
    get messages() {
      return messages
    },
  }
}
