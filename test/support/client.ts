import { EventEmitter } from 'node:events'

/** Who waits, and leaves when told to. */
export function makeClient(): EventEmitter & { leave(): void } {
  const client = new EventEmitter()
  return Object.assign(client, { leave: () => void client.emit('close') })
}
