import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { Socket, connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import type { S3Place } from '../../../src/config/s3-place.ts'
import { startS3Gateway } from '../../../scripts/s3-gateway.ts'
import type { S3Gateway } from '../../../scripts/s3-gateway.ts'

/** A running gateway, and what tests need to look at it from outside. */
export interface S3UnderTest {
  readonly gateway: S3Gateway
  /** A client of the test's own. */
  readonly client: S3Client
  /** Makes an empty bucket, and returns a place in it. */
  makePlace(): Promise<S3Place>
  /** The number of connections of this process to the gateway that are in use. */
  busyConnections(): number
}

/**
 * Starts a gateway for all tests of a file. The SDK finds its credentials in the environment of the process.
 */
export async function startS3(t: { teardown(fn: () => Promise<void>): unknown }): Promise<S3UnderTest> {
  const gateway = await startS3Gateway()
  t.teardown(() => gateway.stop())
  const { endpoint, region, accessKeyId, secretAccessKey, environment } = gateway
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: environment['AWS_ACCESS_KEY_ID'],
    AWS_SECRET_ACCESS_KEY: environment['AWS_SECRET_ACCESS_KEY'],
  })
  const credentials = { accessKeyId, secretAccessKey }
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true })
  t.teardown(async () => client.destroy())
  const port = Number(new URL(endpoint).port)
  return {
    gateway,
    client,
    async makePlace() {
      const bucket = `test-${randomUUID()}`
      await client.send(new CreateBucketCommand({ Bucket: bucket }))
      return { bucket, prefix: 'depot/', endpoint, region, hasPathStyle: true }
    },
    busyConnections: () =>
      activeSockets().filter((socket) => socket.remotePort === port && isBusy(socket)).length,
  }
}

function activeSockets(): Socket[] {
  const { _getActiveHandles: handles } = process as unknown as { _getActiveHandles: () => unknown[] }
  return handles().filter((handle) => handle instanceof Socket)
}

/** An idle connection in the pool of an agent has no request. */
function isBusy(socket: Socket): boolean {
  return Boolean(Reflect.get(socket, '_httpMessage'))
}

/** A relay in front of a service, which cuts connections. */
export interface Relay {
  readonly endpoint: string
  /** The number of bytes to the client after which a connection is cut. */
  cutAfter: number
  /** The number of connections so far. */
  readonly connections: number
}

/** Starts a relay of the service at `endpoint`. */
export async function startRelay(
  t: { teardown(fn: () => Promise<void>): unknown },
  endpoint: string,
): Promise<Relay> {
  const { hostname, port } = new URL(endpoint)
  const sockets = new Set<Socket>()
  const state = { connections: 0, cutAfter: Infinity }
  const server = createServer((client) => {
    state.connections += 1
    const service = connect({ host: hostname, port: Number(port) })
    let passed = 0
    for (const [one, other] of [
      [client, service],
      [service, client],
    ] as const) {
      sockets.add(one)
      one.on('error', () => undefined)
      one.once('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
    client.pipe(service)
    service.on('data', (chunk) => {
      passed += chunk.length
      if (passed > state.cutAfter) client.destroy()
      else if (!client.write(chunk)) {
        service.pause()
        client.once('drain', () => service.resume())
      }
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return Object.assign(state, { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
}
