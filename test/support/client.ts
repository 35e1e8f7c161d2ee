import { EventEmitter } from 'node:events'

/** An emitter that stands for a waiting client. `leave` closes its connection. */
export function makeClient(): EventEmitter & { leave(): void } {
  const client = new EventEmitter()
  return Object.assign(client, { leave: () => void client.emit('close') })
}
